"""A server for each test, and clients that send and receive octets."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hansel.wsgi import WSGIServer


@pytest.fixture
def served() -> Iterator[Callable[..., Client]]:
    """Serves an application until the test ends."""
    servers: list[WSGIServer] = []

    def serve(application: Any, **options: Any) -> Client:
        server = WSGIServer(application, ["127.0.0.1:0"], grace=1.0, **options)
        server.start()
        servers.append(server)
        return Client(server.server_port)

    yield serve
    for server in servers:
        server.close()


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
