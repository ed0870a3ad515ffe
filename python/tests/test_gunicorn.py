"""gunicorn with hansel's worker class."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_process import PROGRAM, ask, until

pytest.importorskip("gunicorn")


@pytest.fixture
def started(tmp_path: Path) -> Any:
    (tmp_path / "program.py").write_text(PROGRAM)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["--worker-class", "hansel.gunicorn.Worker", "--bind", f"127.0.0.1:{port}", "--workers", "2"]
    process = subprocess.Popen([sys.executable, "-m", "gunicorn", *arguments, "program"], cwd=tmp_path)
    yield process, port
    process.kill()
    process.wait()


def try_to_ask(port: int) -> bytes:
    try:
        return ask(port)
    except ConnectionError:
        return b""


def test_gunicorn_starts_restarts_and_stops_workers(started: Any, tmp_path: Path) -> None:
    process, port = started
    first = until(lambda: try_to_ask(port), bool)
    assert int(first) != process.pid
    (tmp_path / "program.py").write_text(PROGRAM.replace("str(os.getpid())", "'new'"))
    process.send_signal(signal.SIGHUP)
    assert until(lambda: try_to_ask(port), lambda body: body == b"new")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
