"""The WSGI regex dispatcher's document: `python regex_dispatcher.py`, then http://localhost:8000/hello/gretel/."""

from collections.abc import Callable
from typing import Any

from hansel.dispatch import Dispatcher
from hansel.wsgi import make_server


def index(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 Ok", [("content-type", "text/html")])
    return [b"Index"]


def hello(environ: dict[str, Any], start_response: Callable[..., Any], username: str) -> list[bytes]:
    start_response("200 Ok", [("content-type", "text/html")])
    return [f"Hello {username}".encode()]


dispatcher = Dispatcher()
dispatcher.add(r"^/$", f"{__name__}.index")
dispatcher.add(r"^/hello/(?P<username>\w+)/$", f"{__name__}.hello")

if __name__ == "__main__":
    make_server("localhost", 8000, dispatcher).serve_forever()
