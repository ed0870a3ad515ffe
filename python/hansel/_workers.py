"""Processes that share listeners: started, replaced and restarted by one that serves nothing itself."""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable

from hansel import _systemd

LOADING_FAILED = 3
"""The exit status of a worker that can't load the application: another one could not, either."""
CHANGED = 4
"""The exit status of a worker whose files have changed."""

_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD}
_LOGGER = logging.getLogger("hansel")


class Worker:
    """One process, as it sees itself."""

    def __init__(self, number: int, ready: int, parent: int) -> None:
        self.number = number
        """From 0; that of a worker in whose place it was started."""
        self._ready, self._parent = ready, parent

    def is_ready(self, stop: Callable[[], None]) -> None:
        """Tells that it serves. From here on, `stop` is called when the supervisor ends, however that happens."""

        def wait() -> None:
            os.read(self._parent, 1)
            stop()

        threading.Thread(target=wait, name="hansel-parent", daemon=True).start()
        try:
            os.write(self._ready, b".")
        except BrokenPipeError:
            # It has ended already.
            pass
        os.close(self._ready)


def supervise(count: int, work: Callable[[Worker], None]) -> int:
    """Keeps `count` processes that do `work`, until SIGINT or SIGTERM; returns the exit status.

    At SIGHUP it starts new ones, and stops the old ones as soon as the new ones serve. If the new ones can't load the
    application, the old ones go on.
    """
    # Signals are waited for, so none comes at the wrong moment.
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    return _Supervisor(count, work).run()


class _Supervisor:
    def __init__(self, count: int, work: Callable[[Worker], None]) -> None:
        self._count = count
        self._work = work
        # Processes, and the numbers of these workers.
        self._current: dict[int, int] = {}
        self._stopping: set[int] = set()
        # Until the service manager is told: how many serve, and what will say so of others.
        self._serving, self._starting = 0, list[int]()
        self._is_told = False
        self._parent, self._parent_open = os.pipe()
        self._is_ending = False

    def run(self) -> int:
        status = 0
        for _ in range(self._count):
            self._add()
        while self._current or self._stopping:
            number = self._next_signal()
            if number in (signal.SIGINT, signal.SIGTERM):
                self._end()
            elif number == signal.SIGHUP and not self._is_ending:
                self._restart()
            ended = self._ended()
            is_hopeless = any(code == LOADING_FAILED for worker, code in ended if worker in self._current)
            for worker, _ in ended:
                self._current.pop(worker, None)
                self._stopping.discard(worker)
            if is_hopeless and not self._is_ending:
                status = LOADING_FAILED
                self._end()
            while not self._is_ending and len(self._current) < self._count:
                self._add()
        return status

    def _add(self) -> None:
        number = min(set(range(self._count)) - set(self._current.values()))
        process, ready = self._start(number)
        self._current[process] = number
        if self._is_told:
            os.close(ready)
        else:
            self._starting.append(ready)

    def _next_signal(self) -> int:
        """Waits for a signal, and meanwhile for workers to serve."""
        while self._starting:
            received = signal.sigtimedwait(_SIGNALS, 0.05)
            self._see_who_serves()
            if received is not None:
                return received.si_signo
        return signal.sigwait(_SIGNALS)

    def _see_who_serves(self) -> None:
        told, _, _ = select.select(self._starting, [], [], 0)
        for ready in told:
            # A worker that has ended closed its end.
            self._serving += len(os.read(ready, 1))
            self._starting.remove(ready)
            os.close(ready)
        if self._serving >= self._count:
            self._tell()

    def _tell(self) -> None:
        if not self._is_told and not self._is_ending:
            _systemd.notify(_systemd.READY)
            self._is_told = True

    def _end(self) -> None:
        if not self._is_ending:
            _systemd.notify(_systemd.STOPPING)
        self._is_ending = True
        for process in self._current.keys() | self._stopping:
            os.kill(process, signal.SIGTERM)

    def _restart(self) -> None:
        """Starts new workers beside the old ones, and then stops either these or those."""
        started = [self._start(number) for number in range(self._count)]
        # A worker that ends closes its end, so this waits for each to serve or to fail.
        serving = [process for process, ready in started if os.read(ready, 1)]
        new = {process: number for number, (process, _) in enumerate(started)}
        if len(serving) == self._count:
            leaving, self._current = set(self._current), new
            self._tell()
        else:
            _LOGGER.error("the new workers could not start, so the old ones go on")
            leaving = set(serving)
            self._stopping |= new.keys()
        for process in leaving:
            os.kill(process, signal.SIGTERM)
        self._stopping |= leaving
        for _, ready in started:
            os.close(ready)

    def _ended(self) -> list[tuple[int, int]]:
        ended: list[tuple[int, int]] = []
        for worker in self._current.keys() | self._stopping:
            process, status = os.waitpid(worker, os.WNOHANG)
            if process == 0:
                continue
            code = os.waitstatus_to_exitcode(status)
            if worker in self._current and code not in (0, CHANGED):
                _LOGGER.error("the worker %d ended with status %d", worker, code)
                # One that always fails at once must not take all of a processor.
                time.sleep(0.1)
            ended.append((worker, code))
        return ended

    def _start(self, number: int) -> tuple[int, int]:
        """Forks a worker of that number; returns the process, and where it says that it serves."""
        ready, is_ready = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(ready)
            os.close(self._parent_open)
            for other in self._starting:
                os.close(other)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            _be(self._work, Worker(number, is_ready, self._parent))
        os.close(is_ready)
        return process, ready


def _be(work: Callable[[Worker], None], worker: Worker) -> None:
    status = 1
    try:
        work(worker)
        status = 0
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except BaseException:
        _LOGGER.exception("a worker failed")
    finally:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
