"""`python -m hansel module:application`: see `--help`."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import signal
import sys
from typing import Any

from hansel import _hansel
from hansel.wsgi import DEFAULT_THREADS, WSGIServer


def main(arguments: list[str] | None = None) -> None:
    """Serves the application that the arguments name."""
    options = vars(_parser().parse_args(arguments))
    sys.path.insert(0, "")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    name: str = options.pop("application")
    addresses: list[str] = options.pop("bind") or ["127.0.0.1:8000"]
    workers: int = options.pop("workers")

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        raise RuntimeError("the application is not loaded yet")

    server = WSGIServer(application, addresses, multiprocess=workers > 1, **options)
    for host, port in server.addresses:
        print(f"http://{host}:{port}", file=sys.stderr, flush=True)
    if workers > 1:
        _supervise(server, name, workers)
    else:
        _work(server, name)


def load(name: str) -> Any:
    """Returns what `module:application` names, or what `module:factory()` returns."""
    module_name, _, attribute = name.partition(":")
    target: Any = importlib.import_module(module_name)
    attribute = attribute or "application"
    for part in attribute.removesuffix("()").split("."):
        target = getattr(target, part)
    return target() if attribute.endswith("()") else target


def _work(server: WSGIServer, name: str) -> None:
    server.application = load(name)
    server.serve_forever()


def _supervise(server: WSGIServer, name: str, workers: int) -> None:
    """Keeps so many processes serving on the same listeners."""
    processes: set[int] = set()
    is_stopping = False
    outcome = 0

    def stop(_number: int, _frame: object) -> None:
        nonlocal is_stopping
        is_stopping = True
        for process in processes:
            os.kill(process, signal.SIGTERM)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    signals = {signal.SIGINT, signal.SIGTERM}
    while True:
        while len(processes) < workers and not is_stopping:
            # A signal in between would miss the new process, or be handled by it as if it were the parent.
            signal.pthread_sigmask(signal.SIG_BLOCK, signals)
            process = os.fork()
            if process == 0:
                _child(server, name)
            processes.add(process)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        if not processes:
            sys.exit(outcome)
        ended, status = os.wait()
        processes.discard(ended)
        if not is_stopping and os.waitstatus_to_exitcode(status) == LOADING_FAILED:
            outcome = LOADING_FAILED
            stop(0, None)


LOADING_FAILED = 3
"""The exit status of a worker that can't load the application: another one could not, either."""


def _child(server: WSGIServer, name: str) -> None:
    status = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            server.application = load(name)
        except BaseException:
            status = LOADING_FAILED
            raise
        server.serve_forever()
        status = 0
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else 1
    except BaseException:
        logging.getLogger("hansel").exception("a worker failed")
    finally:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hansel", description="Serves a WSGI application.")
    parser.add_argument("application", help="module:application, or module:factory()")
    parser.add_argument("--bind", action="append", help="host:port or unix:/path; may be repeated")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the listeners")
    parser.add_argument("--threads", type=int, default=DEFAULT_THREADS, help="requests that are handled at once")
    parser.add_argument("--grace", type=float, default=10.0, help="seconds for requests in flight at the end")
    for name in ("body", "head", "target", "fields", "connections", "queue"):
        parser.add_argument(f"--{name}", type=int, help="a limit; see hansel.wsgi.WSGIServer")
    for name in ("idle", "head-time", "transfer-time", "handler-time", "queue-time"):
        parser.add_argument(f"--{name}", type=float, metavar="SECONDS", help="a deadline")
    parser.add_argument("--certificate", help="a PEM file, for TLS")
    parser.add_argument("--key", help="the PEM file of its key")
    parser.add_argument("--access-log", metavar="PATH", help="a file, or - for the standard output")
    parser.add_argument("--health", action="store_true", help="serve /livez, /readyz and /metrics")
    parser.add_argument("--health-on", metavar="HOST:PORT", help="serve them on an address of their own")
    parser.add_argument("--proxy-protocol", action="store_true", help="expect a PROXY header of trusted peers")
    parser.add_argument("--trust", action="append", metavar="ADDRESS", help="a proxy; may be repeated")
    parser.add_argument("--request-ids", action="store_true", help="send an X-Request-Id")
    parser.add_argument("--version", action="version", version=_hansel.__version__)
    return parser


if __name__ == "__main__":
    main()
