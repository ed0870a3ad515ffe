"""The smallest service: `python hello.py`, then `curl -i http://127.0.0.1:8080`."""

from collections.abc import Callable
from typing import Any

from hansel.wsgi import make_server


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello, world!\n"]


if __name__ == "__main__":
    make_server("127.0.0.1", 8080, application).serve_forever()
