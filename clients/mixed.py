"""Clients of every kind, good and bad. Each counts its requests and its responses.

They expect a server that responds as `clients/server.rs` does.
"""

import os
import socket
import struct
import threading
import time

PATIENCE = 60
# The length of the response to `/large`.
LARGE = 8 * 1024 * 1024
# The response to `/hello`.
HELLO = b"Hello, world!"
# The number of requests on one connection.
KEPT = 100
# The number of requests in a pipeline.
PIPELINED = 50
# The pause between two pieces of a slow client, in seconds.
DRIP = 0.05


class Wrong(Exception):
    """The server did something wrong."""


class Wire:
    """A connection to the server."""

    def __init__(self, client):
        self.client = client
        self.socket = socket.create_connection(("127.0.0.1", client.port), PATIENCE)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def ask(self, *requests):
        """Sends complete requests, all at once."""
        self.client.asked += len(requests)
        self.socket.sendall(b"".join(requests))

    def ask_slowly(self, request):
        """Sends a request in a few dozen pieces."""
        self.client.asked += 1
        size = max(1, len(request) // 24)
        for start in range(0, len(request), size):
            self.socket.sendall(request[start:start + size])
            time.sleep(DRIP)

    def hear(self, status=200, content=None):
        """Reads a response, which must be this one."""
        found, fields = self.head()
        if b"content-length" in fields:
            body = self.exactly(int(fields[b"content-length"]))
        elif fields.get(b"transfer-encoding") == b"chunked":
            body = b"".join(iter(self.chunk, b""))
        else:
            body = self.file.read()
        if found != status or content not in (None, body):
            raise Wrong(f"asked for {status}, got {found} and {len(body)} bytes: {body[:60]}")
        self.client.answered += 1

    def head(self):
        line = self.line()
        fields = {}
        while field := self.line():
            name, _, value = field.partition(b":")
            fields[name.lower()] = value.strip().lower()
        return int(line.split(b" ")[1]), fields

    def line(self):
        line = self.file.readline(65536)
        if not line.endswith(b"\r\n"):
            raise Wrong(f"the connection ended in an answer's head: {line}")
        return line[:-2]

    def chunk(self):
        content = self.exactly(int(self.line(), 16))
        self.line()
        return content

    def exactly(self, size):
        content = self.file.read(size)
        if len(content) < size:
            raise Wrong(f"the connection ended after {len(content)} of {size} bytes of content")
        return content

    def must_end(self):
        """Expects the server to close the connection and to send nothing more."""
        if more := self.file.read(60):
            raise Wrong(f"said after its last answer: {more}")

    def leave(self):
        """Leaves without a close: the server sees a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def get(path, *fields):
    return request("GET", path, *fields)


def post(path, content, *fields):
    return request("POST", path, f"Content-Length: {len(content)}", *fields) + content


def request(method, path, *fields):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: soak", *fields, "", ""]).encode()


def chunked(content, size):
    pieces = [content[start:start + size] for start in range(0, len(content), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def keep_alive(client):
    with Wire(client) as wire:
        for _ in range(KEPT):
            wire.ask(get("/hello"))
            wire.hear(200, HELLO)


def close(client):
    with Wire(client) as wire:
        wire.ask(get("/hello", "Connection: close"))
        wire.hear(200, HELLO)
        wire.must_end()


def pipelined(client):
    with Wire(client) as wire:
        for _ in range(KEPT // PIPELINED):
            wire.ask(*[get("/hello"), post("/echo", b"ham"), get("/missing")] * PIPELINED)
            for _ in range(PIPELINED):
                wire.hear(200, HELLO)
                wire.hear(200, b"ham")
                wire.hear(404)


def slow(client):
    """Sends its head, then a body, a few bytes at a time; then reads its response as slowly."""
    with Wire(client) as wire:
        wire.ask_slowly(get("/hello"))
        wire.hear(200, HELLO)
        wire.ask_slowly(post("/echo", b"x" * 1000))
        wire.hear(200, b"x" * 1000)
    with Wire(client) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        wire.ask(get("/large"))
        if wire.head()[0] != 200:
            raise Wrong("was not given the large answer")
        for _ in range(LARGE // (1 << 20)):
            wire.exactly(1 << 20)
            time.sleep(DRIP)
        client.answered += 1


BROKEN = [
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET /\x00 HTTP/1.1\r\nHost: soak\r\n\r\n", 400),
    (request("POST", "/echo", "Content-Length: 3", "Transfer-Encoding: chunked"), 400),
    (request("POST", "/echo", "Transfer-Encoding: chunked") + b"nonsense\r\n", 400),
    (request("POST", "/echo", "Content-Length: 99999999999"), 413),
    (get("/" + "x" * 10_000), 414),
    (get("/", "X-Long: " + "x" * 40_000), 431),
    (get("/", *["X-Many: x"] * 200), 431),
]


def broken(client):
    """Sends bad requests. Each is refused, with a reason, and its connection is closed."""
    for text, status in BROKEN:
        with Wire(client) as wire:
            wire.ask(text)
            wire.hear(status)
            wire.must_end()


def big(client):
    """Large bodies both ways, of known length and in chunks."""
    content = os.urandom(1 << 20)
    with Wire(client) as wire:
        wire.ask(post("/echo", content))
        wire.hear(200, content)
        wire.ask(request("POST", "/echo", "Transfer-Encoding: chunked") + chunked(content, 50_000))
        wire.hear(200, content)
        wire.ask(get("/large"))
        wire.hear(200, b"x" * LARGE)


def expecting(client):
    """Sends its body when the server asks for it."""
    with Wire(client) as wire:
        for content in (b"ham", b"x" * 200_000):
            sent = post("/echo", content, "Expect: 100-continue")
            wire.ask(sent[:-len(content)])
            if wire.head() != (100, {}):
                raise Wrong("was not asked for the body")
            wire.socket.sendall(content)
            wire.hear(200, content)


def streaming(client):
    with Wire(client) as wire:
        for number in (1, 100, 3000):
            wire.ask(get(f"/events?number={number}"))
            wire.hear(200)


def panicking(client):
    """A panic affects only its own request."""
    with Wire(client) as wire:
        for _ in range(KEPT // 10):
            wire.ask(get("/panic"), get("/hello"))
            wire.hear(500)
            wire.hear(200, HELLO)


def hanging(client):
    """One handler returns in time, and one does not."""
    with Wire(client) as wire:
        wire.ask(get("/pause?seconds=0.2"), get("/hello"))
        wire.hear(200)
        wire.hear(200, HELLO)
        wire.ask(get("/pause?seconds=7"))
        wire.hear(503)
        wire.must_end()


def leaving(client):
    """Leaves in the middle of everything. A client that left gets no response, so nothing is counted."""
    beginnings = [
        b"",
        b"GET /he",
        post("/echo", b"x" * 100)[:-1],
        post("/echo", b"x" * 300_000)[:-1],
        get("/large"),
        get("/events?number=1000000"),
        get("/pause?seconds=0.1"),
        get("/hello") * 30,
    ]
    for beginning in beginnings:
        for says_why in (True, False):
            with Wire(client) as wire:
                wire.socket.sendall(beginning)
                time.sleep(DRIP)
                if not says_why:
                    wire.leave()


KINDS = [
    keep_alive, close, pipelined, slow, broken, big, expecting, streaming, panicking, hanging, leaving,
]


class Client(threading.Thread):
    """Repeats one thing until it is told to stop."""

    def __init__(self, kind, port):
        super().__init__(daemon=True)
        self.kind, self.port = kind, port
        self.asked, self.answered, self.failures = 0, 0, []
        self.works, self.rests = threading.Event(), threading.Event()

    def run(self):
        while True:
            if not self.works.is_set():
                self.rests.set()
            self.works.wait()
            try:
                self.kind(self)
            except (OSError, ValueError, Wrong) as error:
                self.failures.append(f"{self.kind.__name__}: {error!r}")


class Mixture:
    """Some clients of each kind."""

    def __init__(self, port, each=2):
        self.clients = [Client(kind, port) for kind in KINDS for _ in range(each)]
        for client in self.clients:
            client.start()

    def work(self, seconds):
        """Lets them work for that long, then lets them finish what they began."""
        for client in self.clients:
            client.rests.clear()
            client.works.set()
        time.sleep(seconds)
        for client in self.clients:
            client.works.clear()
        for client in self.clients:
            if not client.rests.wait(2 * PATIENCE):
                client.failures.append(f"{client.kind.__name__}: has not come to an end")

    def failures(self):
        return [failure for client in self.clients for failure in client.failures]

    def figures(self):
        """Returns the requests and responses of each kind."""
        for kind in KINDS:
            clients = [client for client in self.clients if client.kind is kind]
            yield kind.__name__, sum(client.asked for client in clients), sum(client.answered for client in clients)
