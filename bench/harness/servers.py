"""The servers: how each is built, started and ended."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .scenarios import Scenario

BENCH = Path(__file__).resolve().parent.parent
TARGET = BENCH / "target"
SERVER_PROCESSOR, LOAD_PROCESSOR = 0, 1

TEN_KB = b"ten bytes\n" * 1000
ONE_MB = b"ten bytes\n" * 100_000
# Thu, 02 Jan 2020 03:04:05 GMT, which the load asks about.
MODIFIED = 1577934245


class Unable(Exception):
    """A server cannot do a scenario, or is not available at all; the message says why."""


@dataclass(frozen=True)
class Server:
    name: str
    # The crate whose version is reported.
    crate: str | None = None
    # A thread stays with a connection, so there must be one for each.
    keeps_threads: bool = False
    serves_files: bool = False
    # Its handlers can share a lock here.
    shares_lock: bool = False

    @property
    def is_peer(self) -> bool:
        return self.name not in ("limit", "hansel")

    @property
    def binary(self) -> Path:
        if self.name == "nginx":
            return Path(shutil.which("nginx") or TARGET / "nginx/usr/sbin/nginx")
        return TARGET / "release" / f"bench-{self.name}"

    def command(self, port: int, scenario: Scenario) -> list[str]:
        """Returns how to start it for a scenario."""
        if scenario.needs_files and not self.serves_files:
            raise Unable("it has no part that serves files")
        if scenario.blocks and self.name == "limit":
            raise Unable("it parses nothing, so it can't tell what is slow")
        if scenario.locks and not self.shares_lock:
            raise Unable("its handlers share no lock here")
        if scenario.blocks and self.name == "nginx":
            raise Unable("it has no handlers")
        if self.name == "nginx":
            return [str(self.binary), "-c", str(nginx_configuration(port, scenario.loops))]
        arguments: list = [port, scenario.loops]
        if self.name == "limit":
            arguments += [scenario.work, scenario.body, "close" if scenario.close else "keep"]
        else:
            arguments += [256 if self.keeps_threads else scenario.threads]
        arguments += ["locks"] if scenario.locks else []
        return [str(self.binary), *map(str, arguments)]


SERVERS = [
    Server("limit"),
    Server("hansel", "hansel", serves_files=True, shares_lock=True),
    Server("hyper", "hyper"),
    Server("axum", "axum", serves_files=True, shares_lock=True),
    Server("actix-web", "actix-web", serves_files=True, shares_lock=True),
    Server("may_minihttp", "may_minihttp"),
    Server("ntex", "ntex"),
    Server("xitca", "xitca-web"),
    Server("nginx", serves_files=True),
    Server("astra", "astra", keeps_threads=True),
    Server("tiny_http", "tiny_http"),
    Server("rouille", "rouille"),
]


def chosen(names: str | None) -> list[Server]:
    """Returns the servers with those names, separated by commas; all for None."""
    if names is None:
        return SERVERS
    known = {server.name: server for server in SERVERS}
    wanted = names.split(",")
    if unknown := [name for name in wanted if name not in known]:
        raise SystemExit(f"no server is named {unknown[0]!r}; there are {', '.join(known)}")
    return [server for server in SERVERS if server.name in wanted]


def build(servers: list[Server]) -> dict[str, str]:
    """Builds the load and the servers; returns which are not available, and why."""
    cargo("bench-load")
    failed = {}
    for server in servers:
        try:
            if server.name == "nginx":
                fetch_nginx(server)
            else:
                cargo(f"bench-{server.name}")
        except (Unable, subprocess.CalledProcessError, OSError) as error:
            failed[server.name] = f"can't be built: {error}"
    return failed


def cargo(package: str) -> None:
    subprocess.run(["cargo", "build", "--release", "--quiet", "--package", package], cwd=BENCH, check=True)


def fetch_nginx(server: Server) -> None:
    if not server.binary.exists():
        subprocess.run([BENCH / "nginx/fetch", TARGET / "nginx"], check=True, stdout=subprocess.DEVNULL)


def nginx_configuration(port: int, loops: int) -> Path:
    files = TARGET / "nginx-files"
    files.mkdir(parents=True, exist_ok=True)
    (files / "10k").write_bytes(TEN_KB)
    (files / "1m").write_bytes(ONE_MB)
    # What `work::files` writes for the other servers.
    (files / "files").mkdir(exist_ok=True)
    for name, data in {"10k.txt": TEN_KB, "1m.txt": ONE_MB}.items():
        (files / "files" / name).write_bytes(data)
        os.utime(files / "files" / name, (MODIFIED, MODIFIED))
    text = (BENCH / "nginx/nginx.conf").read_text()
    filled = {"PORT": str(port), "LOOPS": str(loops), "FILES": str(files)}
    filled["LISTEN"] = " reuseport" if loops > 1 else ""
    for name, value in filled.items():
        text = text.replace(name, value)
    configuration = files / "nginx.conf"
    configuration.write_text(text)
    return configuration


@dataclass(frozen=True)
class Running:
    port: int
    process: int

    @property
    def processes(self) -> list[int]:
        """Returns it and its children, which need not exist from the beginning."""
        children = Path(f"/proc/{self.process}/task/{self.process}/children").read_text()
        return [self.process, *map(int, children.split())]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def is_up(self) -> bool:
        """Returns whether it is still running."""
        state = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()[0]
        return state not in "ZX"

    def cpu_seconds(self) -> float:
        """Returns the processor time of all its threads so far."""
        # The clock of another process: see clock_getcpuclockid(3).
        return sum(time.clock_gettime(~process << 3 | 2) for process in self.processes)

    def anonymous_kib(self) -> int:
        """Returns the memory it has touched, without mapped files."""
        total = 0
        for process in self.processes:
            for line in Path(f"/proc/{process}/status").read_text().splitlines():
                if line.startswith("RssAnon:"):
                    total += int(line.split()[1])
        return total


@contextmanager
def running(server: Server, scenario: Scenario, processors: set[int]):
    """Starts the server on a port of its own, and ends it afterwards."""
    port = with_ports_left(free_port)
    process = subprocess.Popen(
        server.command(port, scenario),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, processors),
    )
    try:
        wait_for(port, process, server)
        yield Running(port, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(port: int, process: subprocess.Popen, server: Server) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Unable(f"{server.name} ended at once with status {process.returncode}")
        try:
            with_ports_left(lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close())
            return
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise Unable(f"{server.name} does not listen")


def with_ports_left(attempt):
    """Returns the result of `attempt`, which is repeated while ports are short: tens of thousands of connections use them
    up, and the system keeps them for a minute."""
    end = time.monotonic() + 90
    while True:
        try:
            return attempt()
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL or time.monotonic() > end:
                raise
            time.sleep(1)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
