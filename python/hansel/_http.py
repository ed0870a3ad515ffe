"""What the styles of dispatch share: the path of a request, and responses in plain words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from html import escape
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[..., Any]

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"


def path_of(environ: Environ) -> str:
    """Returns the path as text."""
    return str(environ.get("PATH_INFO", "")).encode("latin-1").decode("utf-8", "replace")


def segments_of(environ: Environ) -> list[str]:
    """Returns the segments of the path, each decoded once: `/a%2Fb` is one segment. `/` has none."""
    sent: str | None = environ.get("REQUEST_URI")
    # Below a mount, and with servers that don't tell, the path is what was decoded as a whole.
    if sent is None or environ.get("SCRIPT_NAME"):
        segments = path_of(environ).split("/")
    else:
        path = sent.partition("?")[0] if sent.startswith("/") else urlsplit(sent).path
        segments = [unquote(segment, errors="replace") for segment in path.split("/")]
    return [] if segments == ["", ""] else segments[1:]


def status_line(status: int) -> str:
    """Returns `404 Not Found`. A status that has no name has no reason."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} "


def respond(
    start_response: StartResponse, status: int, content: Any = b"", headers: Mapping[str, str] | None = None
) -> list[bytes]:
    """Responds with `str`, `bytes` or nothing. Text is `text/plain` unless a header says otherwise."""
    body: bytes = b"" if content is None else content.encode() if isinstance(content, str) else bytes(memoryview(content))
    fields = list((headers or {}).items())
    if isinstance(content, str) and not any(name.lower() == "content-type" for name, _ in fields):
        fields.append(("Content-Type", TEXT))
    start_response(status_line(status), fields)
    return [body]


def explain(
    environ: Environ,
    start_response: StartResponse,
    status: int,
    trail: Iterable[str],
    headers: Mapping[str, str] | None = None,
) -> list[bytes]:
    """Responds to a request that has reached nothing. In development mode, it says what dispatch has tried."""
    line = status_line(status)
    fields = {**(headers or {}), "Content-Type": TEXT}
    if not environ.get("hansel.development"):
        return respond(start_response, status, line.partition(" ")[2], fields)
    shown = "\n".join([f"{environ.get('REQUEST_METHOD')} {path_of(environ)}", *(f"  {step}" for step in trail), line, ""])
    return page(environ, start_response, status, shown, fields)


def page(
    environ: Environ, start_response: StartResponse, status: int, text: str, headers: Mapping[str, str]
) -> list[bytes]:
    """Responds with text, as a page for a browser."""
    if "text/html" not in environ.get("HTTP_ACCEPT", ""):
        return respond(start_response, status, text, {**headers, "Content-Type": TEXT})
    html = f"<!doctype html><title>{status_line(status)}</title><pre>{escape(text)}</pre>\n"
    return respond(start_response, status, html, {**headers, "Content-Type": HTML})
