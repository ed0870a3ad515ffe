"""A server is a port and a handler that fills in a response: picohttp's interface, on hansel's server.

    from hansel.picohttp import *

    def requestHandler(request, response):
        if request.path[0] == "hello":
            response.data = "Hello world!"
        elif request.path[0] == "goodbye":
            response.data = "Goodbye cruel world"
        else:
            response.status = 404

    httpServer = HttpServer(8080, requestHandler)

Other than picohttp, it keeps connections, decodes segments of the path, the query and chunked bodies, counts octets, sends no
body in response to HEAD, refuses malformed requests, and sends no text of an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

from hansel._http import Environ, StartResponse, respond, segments_of
from hansel.wsgi import make_server

__all__ = ["HttpRequest", "HttpResponse", "HttpServer"]


class Headers(dict[str, str]):
    """Headers by name, whatever the case."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.title())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.title())

    def get(self, name: str, default: Any = None) -> Any:
        """Returns a header, or `default`."""
        return super().get(name.title(), default)


class HttpRequest:
    """The parsed elements of a request. `path` is a list of segments, `[""]` for `/`; `data` is `None` without a body, `str` if
    the body is UTF-8, and `bytes` otherwise."""

    def __init__(
        self,
        method: str,
        path: list[str],
        query: dict[str, str],
        protocol: str,
        headers: dict[str, str],
        data: str | bytes | None,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.protocol = protocol
        self.headers = headers
        self.data = data


class HttpResponse:
    """What the handler fills in. The protocol of what is sent is the server's."""

    def __init__(
        self,
        protocol: str = "HTTP/1.0",
        status: int = 200,
        headers: dict[str, Any] | None = None,
        data: str | bytes | None = "",
    ) -> None:
        self.protocol = protocol
        self.status = status
        self.headers: dict[str, Any] = {} if headers is None else headers
        self.data = data


class HttpServer:
    """Listens on `port`, and calls `handler(request, response, *args)` with each request.

    `threads=False` handles one request at a time. `start=False` leaves starting to `start()`. `block=False` has it return
    when the server has started.
    """

    def __init__(
        self,
        port: int,
        handler: Callable[..., Any],
        args: tuple[Any, ...] = (),
        threads: bool = True,
        start: bool = True,
        block: bool = True,
    ) -> None:
        self.handler = handler
        self.args = args
        self.block = block
        options = {} if threads else {"threads": 1}
        self._server = make_server("", port, self._call, **options)
        self.port = self._server.server_port
        if start:
            self.start()

    def start(self) -> None:
        """Starts the server."""
        if self.block:
            self._server.serve_forever()
        else:
            self._server.start()

    def stop(self) -> None:
        """Stops it, after the requests that have begun."""
        self._server.shutdown()
        self._server.close()

    def _call(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        response = HttpResponse()
        self.handler(_request(environ), response, *self.args)
        headers = {name: str(value) for name, value in response.headers.items() if name.lower() != "content-length"}
        return respond(start_response, response.status, response.data, headers)


def _request(environ: Environ) -> HttpRequest:
    return HttpRequest(
        environ["REQUEST_METHOD"],
        segments_of(environ) or [""],
        dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True)),
        environ["SERVER_PROTOCOL"],
        Headers(_headers(environ)),
        _data(environ),
    )


def _headers(environ: Environ) -> Iterator[tuple[str, str]]:
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            yield name[5:].replace("_", "-").title(), value
        elif name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            yield name.replace("_", "-").title(), value


def _data(environ: Environ) -> str | bytes | None:
    if "CONTENT_LENGTH" not in environ and "HTTP_TRANSFER_ENCODING" not in environ:
        return None
    body: bytes = environ["wsgi.input"].read()
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body
