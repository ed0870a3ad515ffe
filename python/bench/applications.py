"""What each server of the benchmark serves."""

from __future__ import annotations

import time
from functools import cache

# What is only needed to check types would count for the memory at the start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    StartResponse = Callable[..., Any]


def respond(start_response: StartResponse, body: bytes) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def hello(_environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    return respond(start_response, b"Hello, world!")


def sleep(_environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    time.sleep(0.01)
    return respond(start_response, b"Hello, world!")


def generate(_environ: dict[str, Any], start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return (b"chunk %d\n" % number for number in range(100))


def upload(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    size = 0
    while piece := environ["wsgi.input"].read(65536):
        size += len(piece)
    return respond(start_response, str(size).encode())


def download(_environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    return respond(start_response, large())


@cache
def large() -> bytes:
    # Made when it is first asked for, as the memory at the start is the server's.
    return b"x" * (1 << 20)


def mixed(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    if environ["PATH_INFO"] == "/busy":
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass
    return respond(start_response, b"Hello, world!")


def flask() -> Any:
    from flask import Flask

    application = Flask(__name__)
    application.add_url_rule("/", view_func=lambda: "Hello, world!")
    return application


def __getattr__(name: str) -> Any:
    # Only whoever serves it needs Flask.
    if name == "flask_application":
        return flask()
    raise AttributeError(name)
