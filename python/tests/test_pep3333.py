"""What PEP 3333 asks of a server, by a real server and real clients."""

from __future__ import annotations

import gzip
import http.client
import io
import socket
import sys
import threading
import time
from random import Random
from typing import Any
from wsgiref.validate import validator

import pytest

TEXT = [("Content-Type", "text/plain")]


def environ_of(served: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def application(environ: Any, start_response: Any) -> list[bytes]:
        seen.update(environ)
        seen["the body"] = environ["wsgi.input"].read()
        assert type(environ) is dict
        environ["added"] = 1
        start_response("200 OK", TEXT)
        return [b"seen"]

    assert served(application).request(*arguments, **options)[2] == b"seen"
    return seen


class Closing:
    """An iterable that counts how often it is closed."""

    def __init__(self, chunks: Any) -> None:
        self.chunks, self.closed = iter(chunks), threading.Semaphore(0)
        self.count = 0

    def __iter__(self) -> Any:
        return self.chunks

    def close(self) -> None:
        self.count += 1
        self.closed.release()

    def wait(self) -> None:
        assert self.closed.acquire(timeout=10)
        assert self.count == 1


def returning(result: Any, headers: Any = TEXT, status: str = "200 OK") -> Any:
    def application(_environ: Any, start_response: Any) -> Any:
        start_response(status, list(headers))
        return result

    return application


def test_the_environ_names_the_request(served: Any) -> None:
    environ = environ_of(served, "/a%20b/%C3%A9?q=%20&x", "POST", b"12345", {"X-Y": "1", "Content-Type": "a/b"})
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b/\xc3\xa9",
        "QUERY_STRING": "q=%20&x",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "a/b",
        "CONTENT_LENGTH": "5",
        "HTTP_X_Y": "1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.run_once": False,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.input_terminated": True,
        "the body": b"12345",
    }
    assert {key: environ[key] for key in expected} == expected
    assert isinstance(environ["SERVER_PORT"], str) and environ["SERVER_PORT"].isdigit()
    assert "HTTP_CONTENT_TYPE" not in environ and "HTTP_CONTENT_LENGTH" not in environ
    assert environ["wsgi.errors"] is sys.stderr
    assert "PATH" not in environ, "the process's environment is not the request's"


def test_http_1_0_is_named(served: Any) -> None:
    client = served(lambda environ, start: returning([environ["SERVER_PROTOCOL"].encode()])(environ, start))
    assert client.exchange(b"GET / HTTP/1.0\r\n\r\n").endswith(b"HTTP/1.0")


def test_repeated_fields_are_joined_and_dangerous_ones_dropped(served: Any) -> None:
    seen: dict[str, Any] = {}

    def application(environ: Any, start_response: Any) -> list[bytes]:
        seen.update(environ)
        start_response("200 OK", TEXT)
        return []

    served(application).exchange(
        b"GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nCookie: a=1\r\nx-a: 2\r\nCookie: b=2\r\nX_A: 3\r\nProxy: evil\r\n"
        b"X-Octets: \xe9\r\nConnection: close\r\n\r\n"
    )
    assert seen["HTTP_X_A"] == "1, 2"
    assert seen["HTTP_COOKIE"] == "a=1; b=2"
    assert seen["HTTP_X_OCTETS"] == "\xe9"
    assert "HTTP_PROXY" not in seen


def test_one_chunk_has_a_length_and_several_are_chunked(served: Any) -> None:
    assert served(returning([b"hello"])).request()[1]["content-length"] == "5"
    status, headers, body = served(returning(chunk for chunk in (b"a", b"", b"b"))).request()
    assert (status, headers["transfer-encoding"], body) == (200, "chunked", b"ab")


def test_start_response_may_be_called_by_the_first_next(served: Any) -> None:
    def application(_environ: Any, start_response: Any) -> Any:
        start_response("201 Created", TEXT)
        yield b"late"

    assert served(application).request()[::2] == (201, b"late")


def test_a_chunk_leaves_before_the_next_is_asked_for(served: Any) -> None:
    may_go_on = threading.Event()

    def chunks() -> Any:
        yield b"first"
        assert may_go_on.wait(10)
        yield b"second"

    connection = http.client.HTTPConnection("127.0.0.1", served(returning(chunks())).port, timeout=10)
    connection.request("GET", "/")
    response = connection.getresponse()
    assert response.read1(5) == b"first"
    may_go_on.set()
    assert response.read() == b"second"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_close_is_called_once(served: Any, method: str) -> None:
    whole, several = Closing([b"a"]), Closing([b"a", b"b"])
    for result in (whole, several):
        served(returning(result)).request(method=method)
        result.wait()


def test_close_is_called_after_an_error_and_the_connection_is_cut(served: Any) -> None:
    def failing() -> Any:
        yield b"a"
        raise ValueError("later")

    result = Closing(failing())
    with pytest.raises(http.client.HTTPException):
        served(returning(result)).request()
    result.wait()


def test_an_error_before_the_head_is_a_500_and_the_server_goes_on(served: Any) -> None:
    def failing() -> Any:
        raise ValueError("at once")
        yield b""

    def when_iterated(environ: Any, start_response: Any) -> Any:
        return returning(failing())(environ, start_response)

    for application in (when_iterated, lambda *_: 1 / 0, lambda *_: [b"no start"], returning(["str"])):
        client = served(application)
        assert client.request()[0] == 500
        assert client.request()[0] == 500


def test_lengths_are_enforced(served: Any) -> None:
    def announced(length: int, result: Any) -> Any:
        return served(returning(result, [*TEXT, ("Content-Length", str(length))]))

    for result in ([b"12345"], iter([b"12", b"345"])):
        assert announced(3, result).request()[2] == b"123"
    for result in ([b"12"], iter([b"1", b"2"])):
        with pytest.raises(http.client.IncompleteRead):
            announced(5, result).request()
    assert announced(4, iter([b"12", b"34"])).request()[2] == b"1234"


def test_head_has_the_headers_of_get(served: Any) -> None:
    _, headers, body = served(returning([], [*TEXT, ("Content-Length", "42")])).request(method="HEAD")
    assert (headers["content-length"], body) == ("42", b"")
    assert served(returning([b"12345"])).request(method="HEAD")[1]["content-length"] == "5"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_statuses_without_a_body_have_none(served: Any, status: str) -> None:
    octets = served(returning([b"body"], [], status)).exchange(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert octets.endswith(b"\r\n\r\n") and b"transfer-encoding" not in octets.lower()


@pytest.mark.parametrize(
    "status, headers",
    [
        ("200", "not a list"),
        ("OK", []),
        ("100 Continue", []),
        ("200 OK\r\nX: y", []),
        (200, []),
        ("200 OK", [["X", "y"]]),
        ("200 OK", [("X", 1)]),
        ("200 OK", [("X", "a\r\nY: b")]),
        ("200 OK", [("X y", "a")]),
        ("200 OK", [("X", "\u20ac")]),
        ("200 OK", [("Content-Length", "-1")]),
        ("200 OK", [("Transfer-Encoding", "chunked")]),
        ("200 OK", [("Upgrade", "h2c")]),
    ],
)
def test_what_may_not_be_sent_is_an_error_of_the_application(served: Any, status: Any, headers: Any) -> None:
    raised: list[Exception] = []

    def application(_environ: Any, start_response: Any) -> list[bytes]:
        try:
            start_response(status, headers)
        except (TypeError, ValueError) as error:
            raised.append(error)
        start_response("200 OK", TEXT)
        return [b"refused"]

    assert served(application).request()[2] == b"refused"
    assert len(raised) == 1


def test_connection_is_the_servers_to_set(served: Any) -> None:
    assert "connection" not in served(returning([], [("Connection", "keep-alive")])).request()[1]


def test_exc_info_replaces_the_head_as_long_as_it_can(served: Any) -> None:
    def early(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", TEXT)
        try:
            raise ValueError("early")
        except ValueError:
            start_response("503 Sorry", TEXT, sys.exc_info())
        return [b"sorry"]

    assert served(early).request()[::2] == (503, b"sorry")

    def late(_environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        yield b"begun"
        try:
            raise ValueError("late")
        except ValueError:
            start_response("500 Sorry", TEXT, sys.exc_info())
        yield b"never"

    with pytest.raises(http.client.IncompleteRead) as cut:
        served(late).request()
    assert b"never" not in cut.value.partial


def test_a_second_start_response_is_an_error(served: Any) -> None:
    def application(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", TEXT)
        start_response("200 OK", TEXT)
        return []

    assert served(application).request()[0] == 500


def test_what_is_written_comes_before_the_iterable(served: Any) -> None:
    def application(_environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", TEXT)
        write(b"1")
        write(b"")
        write(b"2")
        return [b"3"]

    assert served(application).request()[2] == b"123"


def test_what_is_written_is_sent_at_once(served: Any) -> None:
    may_go_on = threading.Event()

    def application(_environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("201 Created", TEXT)
        write(b"first")
        assert may_go_on.wait(10)
        write(b"second")
        return []

    connection = http.client.HTTPConnection("127.0.0.1", served(application).port, timeout=10)
    connection.request("GET", "/")
    response = connection.getresponse()
    assert (response.status, response.read1(5)) == (201, b"first")
    may_go_on.set()
    assert response.read() == b"second"


@pytest.mark.parametrize("chunks", [[], [b"3"], [b"", b"3", b"4"]])
def test_a_generator_may_write(served: Any, chunks: list[bytes]) -> None:
    def application(_environ: Any, start_response: Any) -> Any:
        write = start_response("200 OK", TEXT)
        write(b"1")
        write(b"2")
        yield from chunks

    assert served(application).request()[2] == b"12" + b"".join(chunks)


def test_what_is_written_has_the_length_that_was_announced(served: Any) -> None:
    def written(length: int, *chunks: bytes) -> Any:
        def application(_environ: Any, start_response: Any) -> list[bytes]:
            write = start_response("200 OK", [*TEXT, ("Content-Length", str(length))])
            for chunk in chunks:
                write(chunk)
            return []

        return served(application)

    assert written(3, b"12", b"345").request()[2] == b"123"
    assert written(3, b"12", b"345").request(method="HEAD")[1]["content-length"] == "3"
    with pytest.raises(http.client.IncompleteRead):
        written(5, b"12").request()


def test_write_is_over_with_its_call(served: Any) -> None:
    kept: list[Any] = []

    def application(_environ: Any, start_response: Any) -> list[bytes]:
        kept.append(start_response("200 OK", TEXT))
        return [b"whole"]

    assert served(application).request()[2] == b"whole"
    with pytest.raises(RuntimeError):
        kept[0](b"late")


def test_an_error_after_write_cuts_the_connection(served: Any) -> None:
    def application(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", TEXT)(b"begun")
        raise ValueError("later")

    with pytest.raises(http.client.IncompleteRead) as cut:
        served(application).request()
    assert cut.value.partial == b"begun"


def test_a_client_that_leaves_ends_the_iteration(served: Any) -> None:
    def endless() -> Any:
        while True:
            yield b"x" * 10_000

    result = Closing(endless())
    with socket.create_connection(("127.0.0.1", served(returning(result)).port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        connection.recv(100)
    result.wait()


def test_a_body_is_read_as_it_arrives(served: Any) -> None:
    read = threading.Semaphore(0)

    def application(environ: Any, start_response: Any) -> Any:
        body = environ["wsgi.input"]
        lines = []
        for line in body:
            lines.append(line)
            read.release()
        start_response("200 OK", TEXT)
        return [repr([*lines, body.read(), body.readline(), body.readlines()]).encode()]

    def content() -> Any:
        for part in (b"1\n", b"2\n", b"3"):
            yield part
            # The last line has no end, so it is only known to be one at the end of the body.
            assert part == b"3" or read.acquire(timeout=10)

    client = served(application, body_buffer=0)
    expected = repr([b"1\n", b"2\n", b"3", b"", b"", []]).encode()
    assert client.request("/", "POST", content(), encode_chunked=True)[2] == expected
    assert client.request("/", "POST", content(), {"Content-Length": "5"})[2] == expected


def test_a_generator_may_read_while_it_responds(served: Any) -> None:
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        while piece := environ["wsgi.input"].read(2):
            yield piece.upper()

    with socket.create_connection(("127.0.0.1", served(application, body_buffer=0).port), timeout=10) as connection:
        connection.sendall(b"POST / HTTP/1.0\r\nContent-Length: 6\r\n\r\nab")
        received = b""
        while not received.endswith(b"\r\n\r\nAB"):
            received += connection.recv(100)
        connection.sendall(b"cdef")
        while piece := connection.recv(100):
            received += piece
    assert received.endswith(b"\r\n\r\nABCDEF")


def test_a_body_beyond_the_limit_is_a_413(served: Any) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read()
        start_response("200 OK", TEXT)
        return [body]

    client = served(application, body=10, body_buffer=0)
    assert client.request("/", "POST", b"x" * 10)[0] == 200
    assert client.request("/", "POST", b"x" * 11)[0] == 413
    assert client.request("/", "POST", iter([b"x" * 6] * 2), encode_chunked=True)[0] == 413


def test_a_body_that_breaks_off_is_an_error_of_the_read(served: Any) -> None:
    raised: list[BaseException] = []
    is_over = threading.Event()

    def application(environ: Any, start_response: Any) -> list[bytes]:
        for _ in range(2):
            try:
                environ["wsgi.input"].read()
            except OSError as error:
                raised.append(error)
        is_over.set()
        start_response("200 OK", TEXT)
        return []

    with socket.create_connection(("127.0.0.1", served(application, body_buffer=0).port), timeout=10) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nab")
    assert is_over.wait(10)
    assert len(raised) == 2


def test_the_input_is_a_file(served: Any) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"]
        parts = [body.read(2), body.readline(), *body.readlines(3), *body, body.read(), body.read(1)]
        start_response("200 OK", TEXT)
        return [repr(parts).encode()]

    expected = repr([b"12", b"3\n", b"45\n", b"6\n", b"7", b"", b""]).encode()
    body = b"123\n45\n6\n7"
    assert served(application).request("/", "POST", body)[2] == expected
    assert served(application).request("/", "POST", iter([body[:4], body[4:]]), encode_chunked=True)[2] == expected


@pytest.mark.parametrize("size", [0, 1_000, 100_000, 300_000])
def test_the_input_reads_as_a_file_in_memory_does(served: Any, size: int) -> None:
    random = Random(size)
    content = b"".join(random.randbytes(random.choice([0, 3, 2_000])).replace(b"\n", b"-") + b"\n" for _ in range(size // 500))
    content = (content + b"x" * size)[:size]

    def read(file: Any) -> list[Any]:
        chosen = Random(1)
        sizes = [None, -1, 0, 1, 100, 70_000]
        parts: list[Any] = []
        for _ in range(40):
            # To read all is the last of the choices, so that the others have something to read.
            most = chosen.choice(sizes[2:])
            match chosen.randrange(4):
                case 0:
                    parts.append(file.read(most))
                case 1:
                    parts.append(file.readline(most))
                case 2:
                    parts.append(file.readlines(most or 1))
                case _:
                    parts.append(next(iter(file), b"the end"))
        return [*parts, file.readline(), file.readline(None), file.read(None), file.read(), file.readlines(), list(file)]

    seen: list[Any] = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(read(environ["wsgi.input"]))
        start_response("200 OK", TEXT)
        return []

    for options in ({}, {"body_buffer": 0}):
        client = served(application, **options)
        client.request("/", "POST", content)
        client.request("/", "POST", iter([content[:10], content[10:]] if size else []), encode_chunked=True)
    assert seen == [read(io.BytesIO(content))] * 4


@pytest.mark.parametrize("size", [1_000, 100_000])
def test_the_input_may_be_read_by_another_thread_and_after_the_call(served: Any, size: int) -> None:
    kept: list[Any] = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        kept.append(environ["wsgi.input"])
        reader = threading.Thread(target=lambda: kept.append(environ["wsgi.input"].read(400)))
        reader.start()
        reader.join()
        start_response("200 OK", TEXT)
        return []

    content = bytes(range(250)) * (size // 250)
    client = served(application)
    client.request("/", "POST", content)
    # Its memory is used by others meanwhile.
    client.request("/", "POST", b"y" * size)
    assert (kept[1], kept[0].read()) == (content[:400], content[400:])


def test_an_unread_body_is_not_the_next_request(served: Any) -> None:
    request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 17\r\n\r\nGET /x HTTP/1.1\r\n"
    last = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    octets = served(returning([b"ok"])).exchange(request + last)
    assert octets.count(b"HTTP/1.1 200") == 2 and octets.count(b"HTTP/1.1") == 2


def test_a_file_wrapper_sends_a_file_and_closes_it(served: Any, tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 1000)
    closed = threading.Semaphore(0)

    class File(io.FileIO):
        def close(self) -> None:
            if not self.closed:
                closed.release()
            super().close()

    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return environ["wsgi.file_wrapper"](io.BufferedReader(File(path)))

    client = served(application)
    for method in ("GET", "HEAD"):
        assert client.request(method=method)[2] == (path.read_bytes() if method == "GET" else b"")
        assert closed.acquire(timeout=10)


@pytest.mark.parametrize("blocks", ["buffered", "unbuffered", "in memory", "compressed"])
@pytest.mark.parametrize("skipped", [0, 70_000])
def test_a_file_is_sent_from_where_it_is(served: Any, tmp_path: Any, blocks: str, skipped: int) -> None:
    content = bytes(range(256)) * 1000
    path = tmp_path / "file"
    opens: dict[str, Any] = {
        "buffered": lambda: path.open("rb"),
        "unbuffered": lambda: path.open("rb", buffering=0),
        "in memory": lambda: io.BytesIO(content),
        # It has the number of a file whose content is another.
        "compressed": lambda: gzip.open(path),
    }
    path.write_bytes(gzip.compress(content) if blocks == "compressed" else content)

    def application(environ: Any, start_response: Any) -> Any:
        file = opens[blocks]()
        file.read(skipped)
        start_response("200 OK", TEXT)
        return environ["wsgi.file_wrapper"](file, 1000)

    _, headers, body = served(application).request()
    assert body == content[skipped:]
    assert headers.get("content-length") == (str(len(body)) if "buffered" in blocks else None)


def test_a_file_that_the_server_sends_is_closed_in_the_end(served: Any, tmp_path: Any) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    opened: list[Any] = []

    def application(environ: Any, start_response: Any) -> Any:
        opened.append((tmp_path / "file").open("rb"))
        start_response("200 OK", TEXT)
        return environ["wsgi.file_wrapper"](opened[-1])

    client = served(application)
    for method in ("GET", "HEAD"):
        client.request(method=method)
        end = time.monotonic() + 10
        while not opened[-1].closed:
            assert time.monotonic() < end
            time.sleep(0.01)


def test_a_file_has_the_length_that_was_announced(served: Any, tmp_path: Any) -> None:
    (tmp_path / "file").write_bytes(b"12345")

    def sent(length: int) -> bytes:
        def application(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [*TEXT, ("Content-Length", str(length))])
            return environ["wsgi.file_wrapper"]((tmp_path / "file").open("rb"))

        return bytes(served(application).request()[2])

    assert sent(3) == b"123"
    with pytest.raises(http.client.IncompleteRead):
        sent(6)


def test_the_reason_is_the_applications(served: Any) -> None:
    def line(status: str) -> bytes:
        request = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        return bytes(served(returning([b""], [], status)).exchange(request).partition(b"\r\n")[0])

    assert line("404 No Such Crumb") == b"HTTP/1.1 404 No Such Crumb"
    assert line("200 Tr\xe8s bien") == b"HTTP/1.1 200 Tr\xe8s bien"
    assert line("299 Mine") == b"HTTP/1.1 299 Mine"
    assert line("200 OK") == b"HTTP/1.1 200 OK"


def test_nothing_is_added_to_the_headers_but_what_frames_and_dates(served: Any) -> None:
    assert sorted(served(returning([b"a"], [])).request()[1]) == ["content-length", "date"]


def test_a_path_may_have_any_octets(served: Any) -> None:
    assert environ_of(served, "/%FF/a%2Fb")["PATH_INFO"] == "/\xff/a/b"


def test_what_a_client_repeats_is_as_what_it_sends_first(served: Any) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        seen = environ["HTTP_X_A"], environ["PATH_INFO"], "left" in environ
        environ["left"] = environ["HTTP_X_A"] = "changed"
        start_response("200 OK", TEXT)
        return [repr(seen).encode()]

    client = served(application)
    for value, path in (("1", "/a"), ("1", "/b"), ("2", "/a"), ("1", "/a")):
        assert client.request(path, headers={"X-A": value})[2] == repr((value, path, False)).encode()


def test_a_large_chunk_is_sent_whole(served: Any) -> None:
    large = bytes(range(256)) * 4096
    client = served(returning([large], TEXT))
    assert client.request()[2] == client.request()[2] == large
    assert served(returning([large], [*TEXT, ("Content-Length", "70000")])).request()[2] == large[:70000]


def test_what_an_application_raises_is_logged(served: Any, caplog: Any) -> None:
    def late(_environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        yield b"a"
        raise ValueError("late")

    served(lambda *_: 1 / 0).request("/broken")
    with pytest.raises(http.client.HTTPException):
        served(late).request()
    logged = [(record.name, record.getMessage(), record.exc_info[0]) for record in caplog.records if record.exc_info]
    assert ("hansel", "the application failed: GET /broken", ZeroDivisionError) in logged
    assert logged[-1][2] is ValueError


def test_requests_run_beside_each_other(served: Any) -> None:
    both = threading.Barrier(2, timeout=10)

    def application(_environ: Any, start_response: Any) -> list[bytes]:
        both.wait()
        start_response("200 OK", TEXT)
        return [b"together"]

    client, bodies = served(application), []
    threads = [threading.Thread(target=lambda: bodies.append(client.request()[2])) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bodies == [b"together"] * 2


def test_the_validator_of_the_standard_library_is_content(served: Any) -> None:
    def application(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", TEXT)
        return [b"valid"]

    client = served(validator(application))
    assert client.request("/a?b=c")[::2] == (200, b"valid")
    assert client.request("/a", "POST", b"body")[::2] == (200, b"valid")
