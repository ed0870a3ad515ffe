"""The rest of what PEP 3333 asks of a server; `pep3333.md` says which test shows which of its rules."""

from __future__ import annotations

import gc
import http.client
import re
import signal
import socket
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest
from test_pep3333 import TEXT, Closing, environ_of, returning
from test_process import ask, started  # noqa: F401 (a fixture)


def test_each_rule_has_tests_that_exist() -> None:
    text = (Path(__file__).parent / "pep3333.md").read_text()
    rules = re.findall(r"^\| (\d+) \|.*\| (.+) \|$", text, re.MULTILINE)
    assert [int(number) for number, _ in rules] == list(range(1, 31))
    there = {path.stem: path.read_text() for path in Path(__file__).parent.glob("test_*.py")}
    for number, named in rules:
        names = re.findall(r"`(?:(\w+)\.py: )?(\w+)`", named)
        assert names, f"rule {number} has no test"
        for file, name in names:
            assert f"def test_{name}(" in there[file or "test_pep3333"], f"rule {number}: {name}"


def test_keys_and_values_are_native_strings(served: Any) -> None:
    environ = environ_of(served, "/%E2%82%AC?%FF=%E9", headers={"X-Octets": "\u00e9"})
    assert all(type(key) is str for key in environ)
    for key, value in environ.items():
        if key.isupper():
            assert type(value) is str, key
            value.encode("latin-1")
    assert environ["PATH_INFO"] == "/\u00e2\u0082\u00ac"
    assert environ["SERVER_NAME"] == "127.0.0.1" and environ["SERVER_SOFTWARE"].startswith("hansel/")
    assert environ["QUERY_STRING"] == "%FF=%E9"
    assert environ["REMOTE_PORT"].isdigit()


def test_a_query_may_be_absent_and_empty(served: Any) -> None:
    assert environ_of(served, "/")["QUERY_STRING"] == environ_of(served, "/?")["QUERY_STRING"] == ""


def test_errors_is_a_text_stream(served: Any, capsys: Any) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        environ["wsgi.errors"].write("one \u20ac\n")
        environ["wsgi.errors"].writelines(["two\n", "three\n"])
        environ["wsgi.errors"].flush()
        start_response("200 OK", TEXT)
        return []

    served(application).request()
    assert capsys.readouterr().err == "one \u20ac\ntwo\nthree\n"


def test_one_thread_is_said_and_meant(served: Any) -> None:
    running = threading.Semaphore(1)

    def application(environ: Any, start_response: Any) -> list[bytes]:
        alone = running.acquire(blocking=False)
        threading.Event().wait(0.02)
        if alone:
            running.release()
        start_response("200 OK", TEXT)
        return [f"{alone} {environ['wsgi.multithread']}".encode()]

    client, bodies = served(application, threads=1), []
    asking = [threading.Thread(target=lambda: bodies.append(client.request()[2])) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert bodies == [b"True False"] * 4


@pytest.mark.parametrize("workers", ["1", "2"])
def test_several_processes_are_said(started: Any, tmp_path: Path, workers: str) -> None:  # noqa: F811
    (tmp_path / "program2.py").write_text(
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [str(environ['wsgi.multiprocess']).encode()]\n"
    )
    process, port = started("program2", "--workers", workers)
    assert ask(port) == str(workers == "2").encode()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_a_head_may_be_replaced_until_there_is_a_chunk_that_is_not_empty(served: Any) -> None:
    def application(_environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        yield b""
        yield b""
        try:
            raise ValueError("after empty chunks")
        except ValueError:
            start_response("503 Sorry", TEXT, sys.exc_info())
        yield b"sorry"

    assert served(application).request()[::2] == (503, b"sorry")


def test_exc_info_is_raised_again_once_the_head_is_sent(served: Any) -> None:
    raised: list[Any] = []

    def application(_environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        yield b"begun"
        error = ValueError("late")
        try:
            try:
                raise error
            except ValueError:
                start_response("500 Sorry", TEXT, sys.exc_info())
        except ValueError as again:
            raised.append(again is error and again.__traceback__ is not None)
            raise

    with pytest.raises(http.client.IncompleteRead):
        served(application).request()
    assert raised == [True]


def test_exc_info_is_not_kept(served: Any) -> None:
    class Remembered(Exception):
        pass

    kept: list[Any] = []

    def application(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", TEXT)
        try:
            raise Remembered
        except Remembered as error:
            kept.append(weakref.ref(error))
            start_response("503 Sorry", TEXT, sys.exc_info())
        return [b"sorry"]

    client = served(application)
    gc.disable()
    try:
        client.request()
        client.request()
        assert kept[0]() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "header",
    [
        ("Connection", "upgrade"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authenticate", "Basic"),
        ("Proxy-Authorization", "Basic"),
        ("TE", "trailers"),
        ("Trailer", "X"),
        ("Trailers", "X"),
        ("Transfer-Encoding", "identity"),
        ("upgrade", "websocket"),
        ("X", "a\0b"),
        ("X", "a\nb"),
        ("X", "a\rb"),
        ("", "a"),
        ("X:", "a"),
        ("X", b"a"),
        (b"X", "a"),
        ("X", "a", "b"),
    ],
)
def test_a_header_that_may_not_be_sent_is_an_error(served: Any, header: Any) -> None:
    def application(_environ: Any, start_response: Any) -> list[bytes]:
        with pytest.raises((TypeError, ValueError)):
            start_response("200 OK", [header])
        start_response("200 OK", TEXT)
        return [b"refused"]

    assert served(application).request()[2] == b"refused"


@pytest.mark.parametrize("kind", [tuple, iter])
def test_headers_are_a_list(served: Any, kind: Any) -> None:
    def application(_environ: Any, start_response: Any) -> list[bytes]:
        with pytest.raises(TypeError):
            start_response("200 OK", kind(TEXT))
        start_response("200 OK", TEXT)
        return [b"refused"]

    assert served(application).request()[2] == b"refused"


def test_a_list_that_can_be_closed_is_closed(served: Any) -> None:
    class Chunks(list[bytes], Closing):
        def __init__(self, *chunks: bytes) -> None:
            list.__init__(self, chunks)
            Closing.__init__(self, chunks)

    for chunks in ((), (b"a",), (b"a", b"b")):
        result = Chunks(*chunks)
        assert served(returning(result)).request()[2] == b"".join(chunks)
        # The response ends before it is closed.
        result.wait()


def test_an_iterable_of_one_chunk_has_a_length(served: Any) -> None:
    class One(Closing):
        def __len__(self) -> int:
            return 1

    assert served(returning((b"12345",))).request()[1]["content-length"] == "5"
    result = One([b"12345"])
    assert served(returning(result)).request()[1]["content-length"] == "5"
    result.wait()


def test_a_stream_to_http_1_0_ends_with_its_connection(served: Any) -> None:
    octets = served(returning(iter([b"a", b"b"]))).exchange(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    head, _, body = octets.partition(b"\r\n\r\n")
    assert body == b"ab" and b"transfer-encoding" not in head.lower()


def test_a_chunk_of_text_after_the_head_cuts_the_connection(served: Any) -> None:
    result = Closing([b"begun", "text"])
    with pytest.raises(http.client.IncompleteRead) as cut:
        served(returning(result)).request()
    assert cut.value.partial == b"begun"
    result.wait()


def test_there_is_nothing_to_read_of_a_request_without_a_body(served: Any) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"]
        read = [body.read(), body.read(1), body.readline(), body.readlines(), list(body)]
        start_response("200 OK", TEXT)
        return [repr(read).encode()]

    for method in ("GET", "DELETE", "POST"):
        assert served(application).request(method=method)[2] == b"[b'', b'', b'', [], []]"


def test_an_unread_body_in_chunks_is_not_the_next_request(served: Any) -> None:
    body = b"GET /x HTTP/1.1\r\n"
    request = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    last = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    for options in ({}, {"body_buffer": 0}):
        octets = served(returning([b"ok"]), **options).exchange(request + last)
        assert octets.count(b"HTTP/1.1") == octets.count(b"HTTP/1.1 200") and b"400" not in octets


@pytest.mark.parametrize("options", [{}, {"body_buffer": 0}])
def test_who_expects_to_be_told_to_continue_is_told(served: Any, options: Any) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read()
        start_response("200 OK", TEXT)
        return [body]

    with socket.create_connection(("127.0.0.1", served(application, **options).port), timeout=10) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        received = b""
        while not received.endswith(b"\r\n\r\n"):
            received += connection.recv(100)
        assert received == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"body")
        while not received.endswith(b"body"):
            received += connection.recv(1000)
    assert b"HTTP/1.1 200" in received


def test_a_client_that_takes_nothing_holds_nobody_else(served: Any) -> None:
    """Neither by a chunk nor by the end of a response: the interpreter's lock is not kept while one waits for it."""
    begun = threading.Event()

    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return [b"quick"] if environ["PATH_INFO"] == "/" else endless()

    def endless() -> Any:
        while True:
            begun.set()
            yield b"x" * 1_000_000

    client = served(application)
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as connection:
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: h\r\n\r\n")
        assert begun.wait(10)
        for _ in range(20):
            assert client.request()[2] == b"quick"


def test_processes_that_the_application_starts_have_none_of_its_sockets(served: Any) -> None:
    count = "import os; print(sum(os.path.exists(f'/proc/self/fd/{n}') and os.readlink(f'/proc/self/fd/{n}').startswith('socket') for n in range(200)))"

    def application(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", TEXT)
        return [subprocess.check_output([sys.executable, "-c", count], close_fds=False, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]

    assert served(application).request()[2].strip() == b"0"
