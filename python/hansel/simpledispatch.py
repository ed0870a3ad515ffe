"""A service is functions that are found by name: simpledispatch's style.

    from hansel.simpledispatch import SimpleDispatch, serve

    class Service(SimpleDispatch):
        def method_echo(self, params):
            return " ".join(params)

    serve(Service)

`/echo/a/b` calls `method_echo(["a", "b"])`. A function may also be patched in while the server runs:
`SimpleDispatch.method_monkey = lambda self, params: "patched"`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hansel import wsgi
from hansel._http import Application, Environ, StartResponse, explain, respond, segments_of

__all__ = ["SimpleDispatch", "application", "serve"]

PREFIX = "method_"


class SimpleDispatch:
    """The base handler: one for each request. `environ` is its request; `status` and `headers` may be set."""

    def __init__(self, environ: Environ) -> None:
        self.environ = environ
        self.status = 200
        self.headers: dict[str, str] = {}

    def method_test(self, params: list[str]) -> str:
        """Shows what it was called with."""
        return f"test {params}"


def application(handler: type[SimpleDispatch]) -> Application:
    """Returns a WSGI application that calls the functions of `handler` by the first segment of the path; `/` is `index`."""

    def call(environ: Environ, start_response: StartResponse) -> list[bytes]:
        name, *params = segments_of(environ) or ["index"]
        called = handler(environ)
        function: Callable[[list[str]], Any] | None = getattr(called, PREFIX + name, None)
        if not callable(function):
            there = ", ".join(sorted(_names(handler))) or "nothing"
            return explain(environ, start_response, 404, [f"✗ {handler.__name__}: no `{name}`; there is {there}"])
        content = function(params)
        return respond(start_response, called.status, content, called.headers)

    return call


def serve(handler: type[SimpleDispatch] = SimpleDispatch, host: str = "127.0.0.1", port: int = 8000, **options: Any) -> None:
    """Serves the functions of `handler` until SIGINT or SIGTERM; the options are those of `hansel.wsgi.WSGIServer`."""
    wsgi.serve(application(handler), host, port, **options)


def _names(handler: type[SimpleDispatch]) -> list[str]:
    names = (name for name in dir(handler) if name.startswith(PREFIX))
    return [name.removeprefix(PREFIX) for name in names if callable(getattr(handler, name))]
