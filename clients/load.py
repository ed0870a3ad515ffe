"""Clients that send requests without a pause and count the responses, for the scripts beside this file."""

import http.client
import socket
import threading
import time


class Load:
    """Requests a path from several threads, half of them on a new connection each time.

    Refused: there was no connection. Lost: there was one, but no complete response with status 200.
    """

    def __init__(self, host, port, path="/hello", threads=6):
        self.host, self.port, self.path = host, port, path
        self.answers, self.refused, self.lost = 0, [], []
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(i % 2 == 0,), daemon=True) for i in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self, keeps):
        connection = None
        while not self._stop.is_set():
            try:
                if connection is None:
                    connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
                    connection.connect()
            except OSError as error:
                connection = None
                with self._lock:
                    self.refused.append(repr(error))
                continue
            closes = not keeps
            try:
                connection.request("GET", self.path)
                answer = connection.getresponse()
                answer.read()
                closes = closes or answer.will_close
                failure = None if answer.status == 200 else f"status {answer.status}"
            except (OSError, http.client.HTTPException) as error:
                failure = repr(error)
            with self._lock:
                if failure is None:
                    self.answers += 1
                else:
                    self.lost.append(failure)
            if closes or failure:
                connection.close()
                connection = None

    def await_answers(self, more):
        """Waits for that many more responses."""
        until, deadline = self.answers + more, time.monotonic() + 60
        while self.answers < until:
            if time.monotonic() > deadline:
                raise SystemExit(f"no answers: {self}")
            time.sleep(0.01)

    def verdict(self):
        """Prints the figures. Returns whether nothing was refused or lost."""
        print(f"  {self}", flush=True)
        for failure in (self.refused + self.lost)[:5]:
            print(f"    {failure}", flush=True)
        return not self.refused and not self.lost

    def __str__(self):
        return f"answered {self.answers}, lost {len(self.lost)}, refused {len(self.refused)}"


def free_port():
    """Returns a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(port, process=None):
    """Waits until a server listens there."""
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if (process and process.poll() is not None) or time.monotonic() > deadline:
                raise SystemExit(f"nobody listens on port {port}")
            time.sleep(0.02)
