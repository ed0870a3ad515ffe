"""Serves WSGI applications (PEP 3333).

    from hansel.wsgi import make_server

    make_server("127.0.0.1", 8080, application).serve_forever()
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
import traceback
from contextlib import contextmanager

from hansel import _hansel, _systemd
from hansel._hansel import FileWrapper

# Only needed to check types: `socket` and `typing` take half a megabyte each for as long as it serves.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Generator, Mapping, Sequence
    from types import FrameType
    from typing import Any

    from hansel._hansel import Mount

    Application = Callable[..., Any]

__all__ = ["FileWrapper", "WSGIServer", "make_server", "serve"]

DEFAULT_THREADS = 64
"""Requests that are handled at once. 256, as for Rust, would be too many for what opens a connection to a database for
each thread."""

SWITCH_INTERVAL = 0.0005
"""How long a thread that computes keeps the interpreter while others wait for it, in seconds. Python's own default is ten
times as long, and then quick requests wait for slow ones."""

_LOGGER = logging.getLogger("hansel")


class WSGIServer:
    """A server that listens, and serves as soon as it is told to.

    `addresses` are `host:port` or `unix:/path`; `sockets` listen already. Without either, it takes the sockets that a service
    manager has passed (systemd's `.socket` units), of which one named `health` belongs to the health lane. `mounts` is what is
    served beside the application, without the interpreter, by its path: see `hansel.mounts`. The options, with all times in
    seconds:

    - `threads`: requests that are handled at once, 64 by default;
    - `body`, `head`, `target`: bytes that a request may have; 1 GiB of body by default;
    - `body_buffer`: bytes of a body that are received before the application is called, so that a slow client holds no
      thread; it reads the rest as it arrives;
    - `fields`, `connections`, `queue`: how many there may be;
    - `idle`, `head_time`, `transfer_time`, `handler_time`, `queue_time`: how long each may take;
    - `certificate` and `key`: paths of PEM files, for TLS;
    - `access_log`: `"-"` or a path;
    - `health`: serves `/livez`, `/readyz` and `/metrics`; `health_on`: serves them on an address of their own, and
      `status_page` a page for people there;
    - `drain_delay`: how long it goes on once it is told to stop, with 503 from `/readyz`, so that a balancer notices;
    - `proxy_protocol`, `trust`: the PROXY protocol, and the addresses of the proxies whose headers count;
    - `request_ids`: sends an `X-Request-Id` with each response;
    - `development`: a 500 shows its traceback, and a 404 of `hansel.dispatch` what it has tried. Not for the public.
    """

    def __init__(
        self,
        application: Application,
        addresses: Sequence[str] = (),
        *,
        sockets: Sequence[socket.socket] = (),
        mounts: Mapping[str, Mount] | None = None,
        grace: float = 10.0,
        multiprocess: bool = False,
        development: bool = False,
        switch_interval: float | None = SWITCH_INTERVAL,
        **options: Any,
    ) -> None:
        self.application = application
        self.grace = grace
        self.multiprocess = multiprocess
        self.development = development
        self.switch_interval = switch_interval
        self.threads: int = options.setdefault("threads", DEFAULT_THREADS)
        self._mounts = _hansel.Mounts(dict(mounts)) if mounts else None
        given_away = [_given_away(each) for each in sockets]
        self._server = _hansel.Server(list(addresses), given_away, **options)
        if not addresses and not sockets:
            _systemd.forget_passed_sockets()
        self._running: _hansel.Running | None = None
        self._stop: _Stop | None = None
        self._exception: BaseException | None = None
        self.addresses = self._server.addresses
        host, port = self.addresses[0] if self.addresses else ("localhost", 80)
        self.server_name, self.server_port = host, port

    def start(self) -> None:
        """Serves on threads of the server, and returns."""
        if self.switch_interval is not None:
            sys.setswitchinterval(self.switch_interval)
        self._stop = self._stop or _Stop()
        self._running = self._server.start(self.application, self._environ(), self._failed, self._mounts)

    def serve_forever(self, when_serving: Callable[[], None] | None = None) -> None:
        """Serves until SIGINT or SIGTERM, `shutdown`, or an application that raises `SystemExit`.

        Then requests in flight have `grace` seconds. On the main thread it handles the two signals meanwhile. `when_serving`
        is called as soon as it serves. Without it, a service manager is told when it serves and when it stops
        (`NOTIFY_SOCKET`, as with systemd's `Type=notify`).
        """
        stop = self._stop = self._stop or _Stop()
        with stop.at_signals():
            if self._running is None:
                self.start()
            if when_serving is not None:
                when_serving()
            else:
                _systemd.notify(_systemd.READY)
            stop.wait()
            if when_serving is None:
                _systemd.notify(_systemd.STOPPING)
            self.close()
        if self._exception is not None:
            _End.status = _status_of(self._exception)
            raise self._exception

    def shutdown(self) -> None:
        """Has `serve_forever` end, from any thread. Does nothing before the server was started."""
        if self._stop is not None:
            self._stop.set()

    def close(self) -> None:
        """Stops serving: finishes what is in flight within `grace`, and cuts the rest."""
        running, self._running = self._running, None
        if running is None:
            return
        running.shutdown(self.grace)
        _, cut, still_running = running.wait()
        if cut:
            _LOGGER.warning("%d requests were cut off after %s s", cut, self.grace)
        _End.is_abrupt |= still_running > 0

    def __enter__(self) -> WSGIServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def has_failed(self) -> bool:
        """True if the application has raised `SystemExit` or `KeyboardInterrupt`."""
        return self._exception is not None

    def _failed(self, exception: BaseException, place: str) -> str | None:
        """Notes what the application has raised; returns what the client is told of it."""
        if isinstance(exception, (SystemExit, KeyboardInterrupt)):
            self._exception = exception
            self.shutdown()
        else:
            _LOGGER.error("the application failed: %s", place, exc_info=exception)
        return "".join(traceback.format_exception(exception)) if self.development else None

    def _environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/",
            "QUERY_STRING": "",
            "REQUEST_URI": "/",
            "SERVER_NAME": self.server_name,
            "SERVER_PORT": str(self.server_port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_SOFTWARE": f"hansel/{_hansel.__version__}",
            "REMOTE_ADDR": "",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": self.threads > 1,
            "wsgi.multiprocess": self.multiprocess,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
            "wsgi.input_terminated": True,
        }
        if self.development:
            environ["hansel.development"] = True
        return {sys.intern(key): value for key, value in environ.items()}


def make_server(host: str, port: int, app: Application, **options: Any) -> WSGIServer:
    """Returns a server that listens, as `wsgiref.simple_server.make_server` does."""
    return WSGIServer(app, [_address(host or "0.0.0.0", port)], **options)


def serve(app: Application, host: str = "127.0.0.1", port: int = 8000, **options: Any) -> None:
    """Serves `app` until SIGINT or SIGTERM."""
    make_server(host, port, app, **options).serve_forever()


def _given_away(listening: socket.socket) -> tuple[int, bool]:
    """Returns a descriptor of its own for a socket, and whether that is a Unix socket."""
    import socket

    return listening.dup().detach(), listening.family == socket.AF_UNIX


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Stop:
    """Something to wait for that a signal or another thread can set.

    A signal writes into it before Python runs its handler. A lock would not do: a signal that comes just before the main
    thread waits for one is handled when that has ended.
    """

    def __init__(self) -> None:
        here, there = os.pipe()
        os.set_blocking(there, False)
        self._here, self._there = open(here, "rb", buffering=0), open(there, "wb", buffering=0)

    def set(self) -> None:
        # It writes nothing if the pipe is full of others.
        self._there.write(b"\0")

    def wait(self) -> None:
        while self._here.read(1)[0] not in (0, signal.SIGINT, signal.SIGTERM):
            pass

    @contextmanager
    def at_signals(self) -> Generator[None]:
        """Sets it at SIGINT and SIGTERM, on the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # A shell has its background jobs ignore SIGINT, so both are set explicitly.
        before = {number: signal.signal(number, _noted) for number in (signal.SIGINT, signal.SIGTERM)}
        descriptor = signal.set_wakeup_fd(self._there.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(descriptor)
            for number, handler in before.items():
                signal.signal(number, handler)


def _noted(_number: int, _frame: FrameType | None) -> None:
    pass


class _End:
    """How the process ends. A thread that wakes in a handler while the interpreter ends would abort the process."""

    is_abrupt = False
    status = 0


def _status_of(exception: BaseException) -> int:
    code = exception.code if isinstance(exception, SystemExit) else 1
    return code if isinstance(code, int) else int(code is not None)


@atexit.register
def _leave() -> None:
    # It was registered before what the program registers, so it comes after that.
    if not _End.is_abrupt:
        return
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    os._exit(_End.status or int(hasattr(sys, "last_value")))
