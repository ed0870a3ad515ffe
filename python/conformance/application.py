"""What `conformance/CONTRACT.md` asks of a server under test, as a WSGI application."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

TEXT = [("Content-Type", "text/plain")]


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    if path == "/" and method in ("GET", "HEAD"):
        body = b"hansel\n"
    elif path == "/echo" and method == "POST":
        body = environ["wsgi.input"].read()
    elif path in ("/", "/echo"):
        allowed = "POST" if path == "/echo" else "GET, HEAD"
        start_response("405 Method Not Allowed", [*TEXT, ("Allow", allowed)])
        return []
    elif path == "/panic":
        raise RuntimeError("as asked")
    elif path == "/hang":
        time.sleep(20)
        body = b"at last\n"
    else:
        start_response("404 Not Found", TEXT)
        return []
    start_response("200 OK", TEXT)
    return [body]
