"""`python -m hansel module:application`: see `--help`."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import threading
import traceback

from hansel import _hansel
from hansel._systemd import has_passed_sockets
from hansel._reload import files_of, watch
from hansel._workers import CHANGED, LOADING_FAILED, Worker, supervise
from hansel.mounts import Mount, file, files
from hansel.wsgi import DEFAULT_THREADS, WSGIServer

# It takes memory for as long as the server runs, and is only needed to check types.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main(arguments: list[str] | None = None) -> None:
    """Serves the application that the arguments name."""
    parser = _parser()
    options = vars(parser.parse_args(arguments))
    sys.path.insert(0, "")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    name: str = options.pop("application")
    addresses: list[str] = options.pop("bind") or ([] if has_passed_sockets() else ["127.0.0.1:8000"])
    workers: int | None = options.pop("workers")
    reloads: bool = options.pop("reload")
    processors = _processors(parser, options.pop("processors"))
    is_multiprocess = workers is not None and workers > 1
    mounts = _mounts(parser, options.pop("static") or [])
    server = WSGIServer(_not_loaded, addresses, mounts=mounts, multiprocess=is_multiprocess, **options)
    for address in addresses:
        if address.startswith("unix:"):
            print(address, file=sys.stderr, flush=True)
    for host, port in server.addresses:
        shown = f"[{host}]" if ":" in host else host
        print(f"http{'s' if options['certificate'] else ''}://{shown}:{port}", file=sys.stderr, flush=True)
    if workers is None and not reloads:
        _pin(processors, 0)
        server.application = load(name)
        server.serve_forever()
    else:
        sys.exit(supervise(workers or 1, lambda worker: _run(worker, server, name, reloads, processors)))


def _processors(parser: argparse.ArgumentParser, listed: str | None) -> list[int]:
    """Returns the processors that `0,2` lists, if this process may use them."""
    if listed is None:
        return []
    if not hasattr(os, "sched_setaffinity"):
        parser.error("--processors: this system keeps no process on a processor")
    try:
        processors = [int(number) for number in listed.split(",")]
    except ValueError:
        parser.error(f"--processors takes numbers, such as 0,1, and not {listed!r}")
    missing = set(processors) - os.sched_getaffinity(0)
    if missing:
        may_use = ",".join(map(str, sorted(os.sched_getaffinity(0))))
        parser.error(f"--processors: there is no processor {min(missing)} for this process, which may use {may_use}")
    return processors


def _pin(processors: list[int], worker: int) -> None:
    """Keeps this process, of which no thread may have been started, on the processor of the worker of that number.

    A thread that hands the interpreter's lock over wakes another one. On another processor, which sleeps as well, that takes
    longer than most handlers.
    """
    if processors:
        os.sched_setaffinity(0, {processors[worker % len(processors)]})


def _run(worker: Worker, server: WSGIServer, name: str, reloads: bool, processors: list[int]) -> None:
    _pin(processors, worker.number)
    work = _work_and_watch if reloads else _work
    work(worker, server, name)


def _mounts(parser: argparse.ArgumentParser, places: list[str]) -> dict[str, Mount]:
    """Returns what is at `/path=directory`."""
    mounts: dict[str, Mount] = {}
    for place in places:
        path, _, directory = place.partition("=")
        try:
            mounts[path] = file(directory) if os.path.isfile(directory) else files(directory)
        except OSError as error:
            parser.error(f"can't serve files from {directory!r}: {error}; --static takes PATH=DIRECTORY")
    return mounts


def _not_loaded(_environ: dict[str, Any], _start_response: Any) -> Any:
    raise RuntimeError("the application is not loaded yet")


def _work(worker: Worker, server: WSGIServer, name: str) -> None:
    try:
        server.application = load(name)
    except BaseException:
        logging.getLogger("hansel").exception("can't load %s", name)
        sys.exit(LOADING_FAILED)
    server.serve_forever(lambda: worker.is_ready(server.shutdown))


def _work_and_watch(worker: Worker, server: WSGIServer, name: str) -> None:
    """Serves until a file changes. An application that can't be loaded is a page that says why."""
    changed = threading.Event()

    def end() -> None:
        changed.set()
        server.shutdown()

    try:
        server.application = load(name)
        watch(end)
    except BaseException as error:
        logging.getLogger("hansel").exception("can't load %s", name)
        server.application = _page_of(error)
        watch(end, files_of(error))

    def is_ready() -> None:
        worker.is_ready(server.shutdown)
        # It could not be told before.
        if changed.is_set():
            server.shutdown()

    server.serve_forever(is_ready)
    if changed.is_set():
        sys.exit(CHANGED)


def _page_of(error: BaseException) -> Any:
    text = "".join(traceback.format_exception(error)).encode(errors="backslashreplace")

    def application(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"The application can't be loaded.\n\n", text]

    return application


def load(name: str) -> Any:
    """Returns what `module:application` names, or what `module:factory()` returns."""
    module_name, _, attribute = name.partition(":")
    target: Any = importlib.import_module(module_name)
    attribute = attribute or "application"
    for part in attribute.removesuffix("()").split("."):
        target = getattr(target, part)
    return target() if attribute.endswith("()") else target


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hansel", description="Serves a WSGI application.", formatter_class=_HelpFormatter)
    parser.add_argument("application", help="module:application, or module:factory()")
    parser.add_argument("--bind", action="append", help="host:port or unix:/path; may be repeated; by default the sockets of systemd, or 127.0.0.1:8000")
    parser.add_argument(
        "--workers", type=int, help="processes that share the listeners; SIGHUP restarts them without losing a request"
    )
    parser.add_argument(
        "--processors",
        metavar="LIST",
        help="such as 0,1: keep the first worker on the first of them, and so on; for applications that compute only in Python",
    )
    parser.add_argument("--reload", action="store_true", help="restart when a file of the program changes")
    parser.add_argument("--threads", type=int, default=DEFAULT_THREADS, help="requests that are handled at once")
    parser.add_argument("--grace", type=float, default=10.0, help="seconds for requests in flight at the end")
    parser.add_argument(
        "--static",
        action="append",
        metavar="PATH=DIRECTORY",
        help="serve the files of a directory, or one file, at a path, without the interpreter; may be repeated",
    )
    for name in ("body", "body-buffer", "head", "target", "fields", "connections", "queue"):
        parser.add_argument(f"--{name}", type=int, help="a limit; see hansel.wsgi.WSGIServer")
    for name in ("idle", "head-time", "transfer-time", "handler-time", "queue-time"):
        parser.add_argument(f"--{name}", type=float, metavar="SECONDS", help="a deadline")
    parser.add_argument("--certificate", help="a PEM file, for TLS")
    parser.add_argument("--key", help="the PEM file of its key")
    parser.add_argument("--access-log", metavar="PATH", help="a file, or - for the standard output")
    parser.add_argument("--health", action="store_true", help="serve /livez, /readyz and /metrics")
    parser.add_argument("--health-on", metavar="HOST:PORT", help="serve them on an address of their own")
    parser.add_argument("--status-page", action="store_true", help="serve a page for people at the address of --health-on")
    parser.add_argument("--drain-delay", type=float, metavar="SECONDS", help="go on that long after a signal, with 503 from /readyz")
    parser.add_argument("--proxy-protocol", action="store_true", help="expect a PROXY header of trusted peers")
    parser.add_argument("--trust", action="append", metavar="ADDRESS", help="a proxy; may be repeated")
    parser.add_argument("--request-ids", action="store_true", help="send an X-Request-Id")
    parser.add_argument("--development", action="store_true", help="show tracebacks and what dispatch has tried to clients")
    parser.add_argument("--version", action="version", version=_hansel.__version__)
    return parser


class _HelpFormatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        # Without a width, it imports `shutil` for each parser, and that all that packs archives: 0.4 MB for the time it serves.
        super().__init__(prog, width=_terminal_width() - 2)


def _terminal_width() -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size().columns or 80
    except OSError:
        return 80


if __name__ == "__main__":
    main()
