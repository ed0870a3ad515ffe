"""`python -m hansel`: signals, exits and workers, by processes of their own."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import os, sys, time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/exit":
        sys.exit(7)
    if path == "/interrupt":
        raise KeyboardInterrupt
    if path == "/sleep":
        time.sleep(float(environ["QUERY_STRING"]))
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/generator":
        return exiting()
    if path == "/close":
        return Exiting()
    return [str(os.getpid()).encode()]

def exiting():
    yield b"a"
    sys.exit(8)

class Exiting:
    def __iter__(self):
        return iter((b"a", b"b"))

    def close(self):
        sys.exit(9)

def factory():
    return application
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Any]:
    processes: list[subprocess.Popen[str]] = []
    (tmp_path / "program.py").write_text(PROGRAM)

    def start(*arguments: str) -> tuple[subprocess.Popen[str], int]:
        command = [sys.executable, "-m", "hansel", "--bind", "127.0.0.1:0", *arguments]
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stderr is not None
        return process, int(process.stderr.readline().rpartition(":")[2])

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ask(port: int, target: str = "/") -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", target)
    return connection.getresponse().read()


def until(read: Any, holds: Any) -> Any:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if holds(value := read()):
            return value
        time.sleep(0.02)
    raise AssertionError(f"still {value!r}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_without_an_error(started: Any, number: signal.Signals) -> None:
    process, port = started("program:factory()")
    assert int(ask(port)) == process.pid
    process.send_signal(number)
    assert process.wait(10) == 0


def test_balancers_and_people_have_an_address_of_their_own(started: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        of_health = free.getsockname()[1]
    arguments = ("--health-on", f"127.0.0.1:{of_health}", "--status-page", "--drain-delay", "0.5")
    process, port = started("program", *arguments)
    assert b"<html" in ask(of_health).lower()
    assert ask(of_health, "/livez") == b"alive\n"
    assert b"hansel_requests_total" in ask(of_health, "/metrics")
    process.send_signal(signal.SIGTERM)
    # It still serves, and asks the balancer for no more.
    until(lambda: ask(of_health, "/readyz"), lambda body: body != b"ready\n")
    assert int(ask(port)) == process.pid
    assert process.wait(10) == 0


def test_exits_of_the_application_are_the_servers(started: Any) -> None:
    process, port = started("program")
    assert ask(port, "/exit").startswith(b"Internal Server Error")
    assert process.wait(10) == 7
    for target, status in (("/generator", 8), ("/close", 9)):
        process, port = started("program")
        try:
            ask(port, target)
        except http.client.IncompleteRead as cut:
            assert cut.partial == b"a"
        assert process.wait(10) == status
    process, port = started("program")
    ask(port, "/interrupt")
    assert process.wait(10) == -signal.SIGINT


def test_a_handler_that_is_cut_off_does_not_abort_the_process(started: Any) -> None:
    process, port = started("program", "--grace", "0.1")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/sleep?1")
    # Another request shows that the first has begun.
    ask(port)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_workers_share_a_listener_and_are_replaced(started: Any) -> None:
    process, port = started("program", "--workers", "2")
    first = int(ask(port))
    assert first != process.pid
    os.kill(first, signal.SIGKILL)
    assert int(ask(port)) not in (process.pid, first)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def processors_of(process: int) -> list[int]:
    """Returns the processors that the threads of a process may use."""
    threads = [int(thread.name) for thread in Path(f"/proc/{process}/task").iterdir()]
    return sorted(set().union(*map(os.sched_getaffinity, threads)))


def test_a_server_keeps_to_a_processor(started: Any) -> None:
    processor = max(os.sched_getaffinity(0))
    process, port = started("program", "--processors", str(processor))
    ask(port)
    assert processors_of(process.pid) == [processor]


def test_each_worker_keeps_to_a_processor_and_so_does_the_next_in_its_place(started: Any) -> None:
    # With only one there is little to see, but it works.
    processors = (sorted(os.sched_getaffinity(0)) * 2)[:2]
    process, _ = started("program", "--workers", "2", "--processors", ",".join(map(str, processors)))
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")

    def workers() -> list[int]:
        return [int(worker) for worker in children.read_text().split()]

    def pinned() -> list[list[int]]:
        return sorted(map(processors_of, workers()))

    expected = sorted([each] for each in processors)
    until(pinned, lambda found: found == expected)
    for worker in workers():
        os.kill(worker, signal.SIGKILL)
        until(workers, lambda others, worker=worker: worker not in others and len(others) == 2)
        until(pinned, lambda found: found == expected)


@pytest.mark.parametrize(("listed", "mistake"), [("9999", "no processor 9999"), ("a", "takes numbers")])
def test_processors_must_be_there(listed: str, mistake: str) -> None:
    command = [sys.executable, "-m", "hansel", "program", "--processors", listed]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and mistake in ended.stderr


def test_workers_end_with_their_supervisor(started: Any) -> None:
    process, port = started("program", "--workers", "2")
    ask(port)
    process.kill()
    # The workers have the pipe, too: it ends with the last of them.
    assert process.stderr.read() is not None
    with pytest.raises(ConnectionRefusedError):
        ask(port)


def test_a_hangup_restarts_the_workers_and_loses_nothing(started: Any, tmp_path: Path) -> None:
    process, port = started("program", "--workers", "1")
    first = ask(port)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/sleep?0.3")
    (tmp_path / "program.py").write_text(PROGRAM.replace("str(os.getpid())", "'new'"))
    process.send_signal(signal.SIGHUP)
    assert until(lambda: ask(port), lambda body: body != first) == b"new"
    assert connection.getresponse().read() == first
    # A program that can't be loaded changes nothing.
    (tmp_path / "program.py").write_text("1 / 0")
    process.send_signal(signal.SIGHUP)
    while "old ones go on" not in process.stderr.readline():
        pass
    assert ask(port) == b"new"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_a_program_that_changes_is_loaded_again(started: Any, tmp_path: Path) -> None:
    process, port = started("program", "--reload")
    first = ask(port)
    (tmp_path / "program.py").write_text("1 / 0")
    assert b"ZeroDivisionError" in until(lambda: ask(port), lambda body: body != first)
    (tmp_path / "program.py").write_text(PROGRAM.replace("str(os.getpid())", "'mended'"))
    assert until(lambda: ask(port), lambda body: b"Error" not in body) == b"mended"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_an_application_that_cannot_be_loaded_ends_all_workers(started: Any) -> None:
    process, _ = started("missing", "--workers", "2")
    assert process.wait(20) == 3
