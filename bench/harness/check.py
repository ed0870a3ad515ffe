"""Checks the responses of a server before it is measured."""

import http.client
import time

from .servers import ONE_MB, TEN_KB, Running, Server

HELLO = b"Hello, World!"
JSON = b'{"message":"Hello, World!","items":[1,22,333,4444],"is_new":true}'
PAGE = b"<p>Item 42 of 7, page 3, for abc</p>\n"
PAGE_FIELDS = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "private, max-age=60",
    "x-frame-options": "DENY",
}
COOKIE = {"Cookie": "theme=dark; session=abc; consent=all"}

DATE = "Thu, 02 Jan 2020 03:04:05 GMT"
# In place of a body.
RANGE, UNCHANGED = {"Range": "bytes=9-10008"}, {"If-Modified-Since": DATE}

# The requests, and the expected status, body and fields of each response.
EXCHANGES = {
    "hello": [("GET", "/?n=1", None, 200, HELLO, {})],
    "user": [("GET", "/user/17", None, 200, b"User 17", {})],
    "item": [("GET", "/shops/7/items/42?page=3&sort=price", None, 200, PAGE, PAGE_FIELDS)],
    "json": [("GET", "/json", None, 200, JSON, {"content-type": "application/json"})],
    "10k": [("GET", "/10k", None, 200, TEN_KB, {})],
    "1m": [("GET", "/1m", None, 200, ONE_MB, {})],
    "upload": [
        ("POST", "/upload", b"", 200, b"0", {}),
        ("POST", "/upload", b"u" * 1000, 200, b"1000", {}),
        ("POST", "/upload", b"u" * 1_000_000, 200, b"1000000", {}),
    ],
    "sleep": [("GET", "/sleep", None, 200, HELLO, {})],
    "locked": [("GET", "/locked", None, 200, HELLO, {})],
    "held": [("GET", "/held", None, 200, HELLO, {})],
    "file-10k": [("GET", "/files/10k.txt", None, 200, TEN_KB, {"last-modified": DATE})],
    "file-1m": [("GET", "/files/1m.txt", None, 200, ONE_MB, {"last-modified": DATE})],
    "file-range": [("GET", "/files/1m.txt", RANGE, 206, ONE_MB[9:10_009], {"content-range": "bytes 9-10008/1000000"})],
    "file-304": [("GET", "/files/10k.txt", UNCHANGED, 304, b"", {})],
    "other": [("GET", "/nothing", None, 404, None, {}), ("GET", "/user", None, 404, None, {})],
}


def mistakes(server: Server, running: Running) -> dict[str, str]:
    """Returns, for each kind of work that a server does wrongly, what is wrong."""
    found = {}
    for work, exchanges in EXCHANGES.items():
        for exchange in exchanges:
            if work not in found and (mistake := mistake_in(running, *exchange)):
                found[work] = mistake
    if server.name == "nginx":
        found.pop("sleep", None)
    if not server.shares_lock:
        found.pop("locked", None)
        found.pop("held", None)
    return found


def mistake_in(running: Running, method, path, body, status, expected, fields) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=5)
    start = time.monotonic()
    try:
        # Twice on one connection: the second shows whether the first was read completely.
        for _ in range(2):
            more, content = (body, None) if isinstance(body, dict) else ({}, body)
            connection.request(method, path, body=content, headers={**COOKIE, **more})
            answer = connection.getresponse()
            got = answer.read()
            asked = f"{method} {path}"
            if answer.status != status:
                return f"{asked} is answered {answer.status}"
            if expected is not None and got != expected:
                return f"{asked} is answered {got[:60]!r}"
            for name, value in fields.items():
                if answer.headers.get_all(name) != [value]:
                    return f"{asked} has {name}: {answer.headers.get_all(name)}"
            if status == 200 and answer.headers.get("content-length") != str(len(got)):
                return f"{asked} has no Content-Length"
            if answer.headers.get("date") is None:
                return f"{asked} has no Date"
        if path == "/sleep" and time.monotonic() - start < 0.02:
            return "/sleep does not sleep"
    except (OSError, http.client.HTTPException) as error:
        return f"{method} {path}: {error!r}"
    finally:
        connection.close()
    return None
