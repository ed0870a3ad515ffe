"""What goes wrong in an application ends nothing but its own response, and no way ends in an abort."""

from __future__ import annotations

import ctypes
import http.client
import multiprocessing
import os
import select
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import pytest
from test_pep3333 import TEXT, Closing, returning
from test_process import ask, started, until  # noqa: F401 (a fixture)

PROGRAM = """
import atexit, os, sys, threading, time

atexit.register(lambda: print("at exit", file=sys.stderr, flush=True))

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/for-ever":
        threading.Event().wait()
    if path == "/busy":
        while True:
            pass
    if path == "/exit":
        sys.exit(7)
    if path == "/thread":
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return stopping() if path == "/generator" else [b"fine"]

def stopping():
    yield b"a"
    raise KeyboardInterrupt
"""


def begin(port: int, target: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    return connection


@pytest.mark.parametrize("target", ["/for-ever", "/busy"])
def test_a_handler_that_never_returns_does_not_keep_the_process(started: Any, tmp_path: Path, target: str) -> None:  # noqa: F811
    (tmp_path / "program2.py").write_text(PROGRAM)
    process, port = started("program2", "--grace", "0.1")
    with begin(port, target):
        # Another request shows that it has begun, and that it holds up nobody.
        assert ask(port) == b"fine"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert "at exit" in process.stderr.read()


def test_the_status_of_an_exit_is_kept_when_a_handler_goes_on(started: Any, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "program2.py").write_text(PROGRAM)
    process, port = started("program2", "--grace", "0.1")
    with begin(port, "/for-ever"):
        ask(port, "/exit")
        assert process.wait(10) == 7


def test_an_interrupt_in_a_generator_ends_the_server(started: Any, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "program2.py").write_text(PROGRAM)
    process, port = started("program2")
    with pytest.raises(http.client.IncompleteRead):
        ask(port, "/generator")
    assert process.wait(10) == -signal.SIGINT


@pytest.mark.parametrize("failure", ["sys.exit(6)", "raise KeyboardInterrupt", "1 / 0"])
@pytest.mark.parametrize("target", ["/", "/for-ever"])
def test_what_fails_at_exit_is_no_abort(started: Any, tmp_path: Path, failure: str, target: str) -> None:  # noqa: F811
    at_exit = f"\ndef failing():\n    {failure}\n\natexit.register(failing)\n"
    (tmp_path / "program2.py").write_text(PROGRAM + at_exit)
    process, port = started("program2", "--grace", "0.1")
    with begin(port, target):
        assert ask(port) == b"fine"
        process.send_signal(signal.SIGTERM)
        # What the interpreter makes of it: an error in a function for the end is shown, and is not the status.
        assert process.wait(10) == 0
    text = process.stderr.read()
    assert "at exit" in text and ("exit(6)" in failure or "failing" in text)


def test_a_process_that_a_handler_starts_by_a_fork_leaves_the_server_alone(served: Any) -> None:
    forking = multiprocessing.get_context("fork")

    def application(_environ: Any, start_response: Any) -> list[bytes]:
        child = forking.Process(target=sys.exit, args=(3,))
        child.start()
        child.join()
        start_response("200 OK", TEXT)
        return [str(child.exitcode).encode()]

    client = served(application)
    for _ in range(3):
        assert client.request()[2] == b"3"


def test_threads_of_the_application_do_not_keep_the_process(started: Any, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "program2.py").write_text(PROGRAM)
    process, port = started("program2")
    assert ask(port, "/thread") == b"fine"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_who_holds_the_interpreter_does_not_hold_the_probes(served: Any) -> None:
    may_end, may_end_there = socket.socketpair()
    begun = threading.Event()

    def application(_environ: Any, start_response: Any) -> list[bytes]:
        begun.set()
        # Waits without giving the interpreter's lock back, as some extensions do.
        ctypes.PyDLL(None).recv(may_end.fileno(), ctypes.create_string_buffer(1), 1, 0)
        start_response("200 OK", TEXT)
        return [b"held"]

    client = served(application, health=True)
    # This process can run no Python meanwhile, so another one asks.
    asking = os.fork()
    if asking == 0:
        status = 1
        try:
            with begin(client.port, "/") as holding:
                # The handler has the lock as soon as no other handler gets it; probes need none.
                for _ in range(20):
                    assert ask(client.port, "/livez")
                assert select.select([holding], [], [], 0)[0] == []
                may_end_there.send(b".")
                assert holding.recv(100).startswith(b"HTTP/1.1 200")
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            may_end_there.send(b".")
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(asking, 0)[1]) == 0
    assert begun.is_set()


def test_a_fork_in_a_handler_leaves_the_server_alone(served: Any) -> None:
    def application(_environ: Any, start_response: Any) -> list[bytes]:
        child = os.fork()
        if child == 0:
            os._exit(5)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        start_response("200 OK", TEXT)
        return [str(code).encode()]

    client = served(application)
    for _ in range(5):
        assert client.request()[2] == b"5"


def test_errors_of_close_are_logged(served: Any, caplog: Any) -> None:
    class Failing(Closing):
        def close(self) -> None:
            super().close()
            raise ValueError("close")

    result = Failing([b"a", b"b"])
    assert served(returning(result)).request()[2] == b"ab"
    result.wait()
    until(lambda: caplog.text, lambda text: "close() of an iterable" in text)


def test_deep_recursion_and_exhausted_memory_are_errors(served: Any) -> None:
    def recursing(*arguments: Any) -> Any:
        return recursing(*arguments)

    def exhausted(*_: Any) -> Any:
        return bytearray(sys.maxsize)

    for application in (recursing, exhausted):
        client = served(application)
        assert client.request()[0] == client.request()[0] == 500
