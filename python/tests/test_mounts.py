"""What is mounted beside an application is served without the interpreter, and changes nothing for the application."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import pytest
from test_pep3333 import TEXT
from test_process import ask, started  # noqa: F401 (a fixture)

import hansel
from hansel.wsgi import WSGIServer


def application(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", TEXT)
    return [f"{environ['REQUEST_METHOD']} {environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode("latin-1")]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "static" / "below").mkdir(parents=True)
    (tmp_path / "static" / "a.css").write_text("a {}")
    (tmp_path / "static" / "a.css.gz").write_text("not really")
    (tmp_path / "static" / ".secret").write_text("secret")
    (tmp_path / "static" / "below" / "index.html").write_text("<p>below")
    (tmp_path / "beside.txt").write_text("beside")
    return tmp_path / "static"


def test_files_are_hansels_own(served: Any, directory: Path) -> None:
    client = served(application, mounts={"/static": hansel.files(directory, max_age=60), "/one": hansel.file(directory / "a.css")})
    status, headers, body = client.request("/static/a.css")
    assert (status, body) == (200, b"a {}")
    assert headers["content-type"].startswith("text/css") and headers["cache-control"] == "max-age=60"
    assert client.request("/static/a.css", headers={"If-None-Match": headers["etag"]})[0] == 304
    assert client.request("/static/a.css", headers={"Range": "bytes=0-0"})[::2] == (206, b"a")
    assert client.request("/static/a.css", "HEAD")[2] == b""
    assert client.request("/static/below/")[2] == b"<p>below"
    assert client.request("/static/below")[0] == 308
    assert client.request("/one")[2] == b"a {}"
    assert client.request("/static/a.css", "POST")[0] == 405
    for missing in ("/static/nope", "/static/.secret", "/static/../beside.txt", "/static/%2e%2e/beside.txt", "/static/%FF"):
        assert client.request(missing)[0] == 404, missing


def test_the_options_of_files_are_those_of_rust(served: Any, directory: Path) -> None:
    files = hansel.files(directory, precompressed=True, hidden=True, max_age="immutable", fallback="below/index.html")
    client = served(application, mounts={"/app": files, "/list": hansel.files(directory, listing=True)})
    status, headers, body = client.request("/app/a.css", headers={"Accept-Encoding": "gzip"})
    assert (status, headers["content-encoding"], body) == (200, "gzip", b"not really")
    assert "immutable" in headers["cache-control"]
    assert client.request("/app/.secret")[2] == b"secret"
    assert client.request("/app/some/page", headers={"Accept": "text/html"})[2] == b"<p>below"
    assert b"a.css" in client.request("/list/")[2]


def test_fixed_responses_and_redirects_have_their_own_path_only(served: Any) -> None:
    mounts = {
        "/ping": hansel.fixed("pong"),
        "/gone": hansel.fixed(b"<p>gone", status=410, content_type="text/html", headers={"X-Why": "old"}),
        "/old/page": hansel.redirect("/new"),
        "/moved": hansel.redirect("https://elsewhere.test/", status=307),
    }
    client = served(application, mounts=mounts)
    status, headers, body = client.request("/ping")
    assert (status, headers["content-type"], body) == (200, "text/plain; charset=utf-8", b"pong")
    status, headers, body = client.request("/gone")
    assert (status, headers["content-type"], headers["x-why"], body) == (410, "text/html", "old", b"<p>gone")
    assert client.request("/ping", "DELETE")[0] == 405
    for method in ("GET", "POST"):
        status, headers, _ = client.request("/old/page", method)
        assert (status, headers["location"]) == (308, "/new")
    assert client.request("/moved")[0] == 307


@pytest.mark.parametrize("path", ["/", "/stat", "/static2", "//static", "/ping/", "/ping/x", "/PING", "/%FF", "/old", "/st%2Fatic"])
def test_other_paths_are_the_applications_as_they_are(served: Any, directory: Path, path: str) -> None:
    mounts = {"/static": hansel.files(directory), "/ping": hansel.fixed("pong"), "/old/page": hansel.redirect("/new")}
    for method in ("GET", "DELETE", "OPTIONS"):
        with_mounts = served(application, mounts=mounts).request(path, method)
        assert (with_mounts[0], with_mounts[2]) == served(application).request(path, method)[::2]
        assert with_mounts[2].startswith(method.encode() + b" |")


@pytest.mark.parametrize("path", ["", "/", "static", "/static/", "/a//b", "/..", "/{name}", "/a b", "/%41", "/\xe9"])
def test_a_path_at_which_nothing_can_be_is_an_error(path: str) -> None:
    with pytest.raises(ValueError, match="can't mount"):
        WSGIServer(application, ["127.0.0.1:0"], mounts={path: hansel.fixed("a")})


def test_mistakes_are_errors(tmp_path: Path) -> None:
    for mistake in (lambda: hansel.files(tmp_path / "nope"), lambda: hansel.file(tmp_path / "nope")):
        with pytest.raises(FileNotFoundError):
            mistake()
    for wrong in (
        lambda: hansel.files(tmp_path, max_age="long"),
        lambda: hansel.files(tmp_path, max_age=-1),
        lambda: hansel.files(tmp_path, fallback="../x"),
        lambda: hansel.fixed("a", status=99),
        lambda: hansel.fixed("a", headers={"X y": "z"}),
        lambda: hansel.redirect("/a\r\nX: y"),
    ):
        with pytest.raises(ValueError):
            wrong()


def test_who_holds_the_interpreter_does_not_hold_what_is_mounted(served: Any, directory: Path) -> None:
    may_end, may_end_there = socket.socketpair()
    begun = threading.Event()

    def holding(_environ: Any, start_response: Any) -> list[bytes]:
        begun.set()
        # Waits without giving the interpreter's lock back, as some extensions do.
        ctypes.PyDLL(None).recv(may_end.fileno(), ctypes.create_string_buffer(1), 1, 0)
        start_response("200 OK", TEXT)
        return [b"held"]

    client = served(holding, mounts={"/static": hansel.files(directory), "/ping": hansel.fixed("pong")})
    # This process can run no Python meanwhile, so another one asks.
    asking = os.fork()
    if asking == 0:
        status = 1
        try:
            held = []
            # More than the server lets wait for the lock: the rest is in its queue.
            for _ in range(8):
                held.append(socket.create_connection(("127.0.0.1", client.port), timeout=10))
                held[-1].sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            for _ in range(20):
                assert ask(client.port, "/static/a.css") == b"a {}"
                assert ask(client.port, "/ping") == b"pong"
            assert select.select(held, [], [], 0)[0] == []
            may_end_there.send(b"." * len(held))
            for each in held:
                assert each.recv(100).startswith(b"HTTP/1.1 200")
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            may_end_there.send(b"." * 8)
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(asking, 0)[1]) == 0
    assert begun.is_set()


def test_the_command_line_serves_files(started: Any, directory: Path) -> None:  # noqa: F811
    arguments = ("--static", f"/static={directory}", "--static", f"/style.css={directory / 'a.css'}")
    process, port = started("program", *arguments, "--workers", "2")
    assert ask(port, "/static/a.css") == ask(port, "/style.css") == b"a {}"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_the_command_line_says_which_directory_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hansel", "program", "--static", "/static=nope"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20)
    assert ended.returncode == 2
    assert "can't serve files from 'nope'" in ended.stderr
