"""What hansel serves beside a WSGI application, without the interpreter: files, responses that never change, redirects.

    import hansel
    from hansel.wsgi import serve

    serve(application, mounts={
        "/static": hansel.files("static", max_age=3600),
        "/favicon.ico": hansel.file("static/favicon.ico"),
        "/ping": hansel.fixed("pong"),
        "/old": hansel.redirect("/new"),
    })

A directory has its path and all below it; what it does not have is a 404. Anything else has only its own path. The application
gets all other requests, with paths as they are. No thread needs the interpreter's lock for what is mounted, so it is served
also while the application computes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from hansel._hansel import Mount

__all__ = ["Mount", "file", "files", "fixed", "redirect"]

IMMUTABLE = "immutable"


def files(
    directory: str | os.PathLike[str],
    *,
    max_age: float | str | None = None,
    precompressed: bool = False,
    hashed_names: bool = False,
    listing: bool = False,
    hidden: bool = False,
    downloads: bool = False,
    fallback: str | None = None,
) -> Mount:
    """Returns the files of a directory, with their types, ETags, ranges and `index.html`.

    - `max_age`: seconds for which clients need not ask again, or `"immutable"`; by default they ask each time;
    - `precompressed`: a sibling `.br`, `.zst` or `.gz` is sent to clients that take it;
    - `hashed_names`: files with a hash in their name are immutable;
    - `listing`: a directory without `index.html` is shown as a list;
    - `hidden`: names that begin with a dot are sent, too;
    - `downloads`: browsers save the files, and show none; for what users have uploaded;
    - `fallback`: the page for paths that lead nowhere, such as `"index.html"` of a program in the browser.

    Raises `OSError` if the directory can't be opened.
    """
    options = {
        "precompressed": precompressed,
        "hashed_names": hashed_names,
        "listing": listing,
        "hidden": hidden,
        "downloads": downloads,
    }
    flags = [name for name, is_set in options.items() if is_set]
    return Mount.files(os.fspath(directory), True, *_kept(max_age), flags, fallback)


def file(path: str | os.PathLike[str], *, max_age: float | str | None = None) -> Mount:
    """Returns one file. Raises `OSError` if it is not there."""
    return Mount.files(os.fspath(path), False, *_kept(max_age), [], None)


def fixed(
    content: str | bytes, *, status: int = 200, content_type: str | None = None, headers: Mapping[str, str] | None = None
) -> Mount:
    """Returns the same response to each GET and HEAD. Text is `text/plain` unless `content_type` says otherwise."""
    fields = dict(headers or {})
    if content_type is not None or isinstance(content, str):
        fields["Content-Type"] = content_type or "text/plain; charset=utf-8"
    return Mount.fixed(status, list(fields.items()), content.encode() if isinstance(content, str) else content, True)


def redirect(location: str, *, status: int = 308) -> Mount:
    """Sends clients to `location`, whatever their method. 308 is permanent, 307 is not."""
    return Mount.fixed(status, [("Location", location)], b"", False)


def _kept(max_age: float | str | None) -> tuple[float | None, bool]:
    if isinstance(max_age, str):
        if max_age != IMMUTABLE:
            raise ValueError(f"max_age is a number of seconds or {IMMUTABLE!r}, not {max_age!r}")
        return None, True
    return max_age, False
