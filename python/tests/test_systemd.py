"""systemd's side: sockets that are passed, and what the service manager is told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_process import PROGRAM, ask, until

# A service manager sets LISTEN_PID in the process that becomes the service.
BECOME = """
import os, sys

names, count, *command = sys.argv[1:]
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=count, LISTEN_FDNAMES=names)
os.execv(sys.executable, [sys.executable, *command])
"""

MANY = (
    PROGRAM
    + """
import subprocess
CHILD = "import os; print([name for name in os.environ if name.startswith('LISTEN_')])"

def children(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [subprocess.check_output([sys.executable, "-c", CHILD], close_fds=False)]
"""
)


class Manager:
    """What systemd does for a service, as far as it is of interest here."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "program.py").write_text(MANY)
        self.address = directory / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.address))
        self._socket.settimeout(20)
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str, sockets: dict[str, socket.socket]) -> subprocess.Popen[bytes]:
        def place() -> None:
            # First away from 3, 4, .., which may be among them.
            high = [os.dup2(each.fileno(), 100 + index) for index, each in enumerate(sockets.values())]
            for index, number in enumerate(high):
                os.dup2(number, 3 + index)

        command = [sys.executable, "-c", BECOME, ":".join(sockets), str(len(sockets)), "-m", "hansel", *arguments]
        environment = {**os.environ, "NOTIFY_SOCKET": str(self.address)}
        process = subprocess.Popen(
            command, cwd=self.directory, env=environment, stderr=subprocess.PIPE, preexec_fn=place, close_fds=False
        )
        self.processes.append(process)
        return process

    def told(self) -> str:
        return self._socket.recv(1000).decode()

    def close(self) -> None:
        self._socket.close()
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path)
    yield manager
    manager.close()


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


@pytest.mark.parametrize("arguments", [[], ["--workers", "2"], ["--reload"]])
def test_sockets_that_are_passed_are_served_and_the_manager_is_told(manager: Manager, arguments: list[str]) -> None:
    with listening() as one, listening() as health, socket.socket(socket.AF_UNIX) as local:
        local.bind(str(manager.directory / "local"))
        local.listen()
        sockets = {"one": one, "local": local, "health": health}
        process = manager.start("program", *arguments, sockets=sockets)
        assert manager.told() == "READY=1"
        assert int(ask(one.getsockname()[1])) > 0
        assert ask(health.getsockname()[1], "/readyz") == b"ready\n"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(manager.directory / "local"))
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
        process.send_signal(signal.SIGTERM)
        assert manager.told() == "STOPPING=1"
        assert process.wait(20) == 0


def test_a_client_that_connects_before_the_service_starts_is_served(manager: Manager) -> None:
    with listening() as one:
        bodies: list[bytes] = []
        early = threading.Thread(target=lambda: bodies.append(ask(one.getsockname()[1])))
        early.start()
        process = manager.start("program", sockets={"one": one})
        early.join()
        assert int(bodies[0]) == process.pid


def test_processes_of_the_application_do_not_get_what_was_passed(manager: Manager) -> None:
    with listening() as one:
        manager.start("program:children", sockets={"one": one})
        assert ask(one.getsockname()[1]) == b"[]\n"


def test_an_address_that_is_named_is_what_is_listened_on(manager: Manager) -> None:
    with listening() as one, listening() as free:
        port = free.getsockname()[1]
        free.close()
        process = manager.start("program", "--bind", f"127.0.0.1:{port}", sockets={"one": one})
        assert manager.told() == "READY=1"
        assert int(ask(port)) == process.pid


def test_a_worker_that_has_to_be_replaced_is_waited_for(manager: Manager) -> None:
    (manager.directory / "program.py").write_text(
        PROGRAM
        + """
try:
    os.open("first", os.O_CREAT | os.O_EXCL)
except FileExistsError:
    pass
else:
    os._exit(1)
"""
    )
    with listening() as one:
        manager.start("program", "--workers", "2", sockets={"one": one})
        assert manager.told() == "READY=1"
        until(lambda: ask(one.getsockname()[1]), lambda body: int(body) > 0)


def test_an_abstract_address_of_the_manager_is_one(monkeypatch: Any) -> None:
    from hansel import _systemd

    name = f"hansel-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(f"\0{name}")
        there.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        _systemd.notify("READY=1")
        assert there.recv(100) == b"READY=1"


def test_a_manager_that_can_not_be_told_is_a_warning(monkeypatch: Any, caplog: Any) -> None:
    from hansel import _systemd

    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    _systemd.notify("READY=1")
    assert "can't send READY=1 to the service manager at /nowhere/at/all" in caplog.text


def test_a_server_needs_somewhere_to_listen() -> None:
    from hansel.wsgi import WSGIServer

    serve: Callable[..., Any] = WSGIServer
    with pytest.raises(ValueError, match="an address"):
        serve(lambda *_: [])
