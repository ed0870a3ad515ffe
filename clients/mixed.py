"""Clients of every kind, good and bad. Each counts what it has asked and what was answered.

They are for a server that answers as `clients/server.rs` does.
"""

import os
import socket
import struct
import threading
import time

PATIENCE = 60
# What `/large` answers.
LARGE = 8 * 1024 * 1024
# What `/hello` answers.
HELLO = b"Hello, world!"
# How many requests a connection is kept for.
KEPT = 100
# How many requests are sent at once by who pipelines.
PIPELINED = 50
# Between two pieces of who is slow, in seconds.
DRIP = 0.05


class Wrong(Exception):
    """The server has not done as it should."""


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
        """Sends requests whole, all at once."""
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
        """Reads an answer, which must be this one."""
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
        """The server closes the connection, and says nothing more."""
        if more := self.file.read(60):
            raise Wrong(f"said after its last answer: {more}")

    def leave(self):
        """Goes without a word: the server is told by a reset."""
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
    """Gives its head, then a body, a few bytes at a time; then takes its answer as slowly."""
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
    """Each is refused, with a reason, and its connection is closed."""
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
    """Sends its body when it is asked to."""
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
    """A panic is that request's own."""
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
    """Goes away in the middle of everything. Nobody answers who is gone, so nothing is counted."""
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
    """Does the same again and again, until it is told to rest."""

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
        """Has them work for so long. Afterwards what they have begun is finished."""
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
        """What each kind has asked, and what was answered."""
        for kind in KINDS:
            clients = [client for client in self.clients if client.kind is kind]
            yield kind.__name__, sum(client.asked for client in clients), sum(client.answered for client in clients)
