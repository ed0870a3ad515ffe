"""A server for each test, and clients that send and receive octets.

With `HANSEL_THROUGH=haproxy` in the environment, they come through HAProxy.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hansel.wsgi import WSGIServer


@pytest.fixture
def served() -> Iterator[Callable[..., Client]]:
    """Serves an application until the test ends."""
    servers: list[WSGIServer] = []
    proxies: list[Haproxy] = []

    def serve(application: Any, **options: Any) -> Client:
        server = WSGIServer(application, ["127.0.0.1:0"], grace=1.0, **options)
        server.start()
        servers.append(server)
        if os.environ.get("HANSEL_THROUGH") == "haproxy":
            proxies.append(Haproxy(server.server_port))
            return Client(proxies[-1].port)
        return Client(server.server_port)

    yield serve
    for proxy in proxies:
        proxy.close()
    for server in servers:
        server.close()


class Haproxy:
    """HAProxy in front of one server."""

    CONFIGURATION = """
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend front
    bind fd@{descriptor}
    default_backend service
backend service
    server one 127.0.0.1:{port}
"""

    def __init__(self, port: int) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._file = tempfile.NamedTemporaryFile("w", suffix=".cfg")
        self._file.write(self.CONFIGURATION.format(descriptor=listener.fileno(), port=port))
        self._file.flush()
        path = os.environ["PATH"] + ":/usr/sbin"
        command = [str(shutil.which("haproxy", path=path)), "-q", "-db", "-f", self._file.name]
        self._process = subprocess.Popen(command, pass_fds=[listener.fileno()])
        listener.close()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._file.close()


class Client:
    """Sends requests, each on a connection of its own."""

    def __init__(self, port: int) -> None:
        self.port = port

    def request(
        self, target: str = "/", method: str = "GET", body: Any = None, headers: Any = (), **options: Any
    ) -> tuple[int, dict[str, str], bytes]:
        """Returns status, headers and body. Raises if the response is not whole."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, target, body, dict(headers), **options)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, content

    def exchange(self, octets: bytes) -> bytes:
        """Sends octets and returns all that comes until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(octets)
            received = b""
            while piece := connection.recv(65536):
                received += piece
            return received
