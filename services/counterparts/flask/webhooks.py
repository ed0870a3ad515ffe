"""Receives signed webhooks, and works on them after it has responded.

The queue is in memory, so it runs with one worker: `WORKERS=1`.
"""

import atexit
import hashlib
import hmac
import os
import queue
import re
import threading
import time

from flask import Flask, abort, request

TOLERANCE = 300  # seconds: an event is refused if its signature is older, or as far in the future
SECRET = os.environ["WEBHOOK_SECRET"].encode()
EACH_TAKES = int(os.environ.get("WORK_MS", "0")) / 1000

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
events = queue.Queue(maxsize=1000)


@app.post("/events")
def receive():
    """With `X-Signature: t=1700000000,v1=` and the HMAC-SHA256 of `1700000000.` and the body."""
    event = request.get_data()
    if not is_signed(request.headers.get("X-Signature", ""), event):
        abort(401, "the signature is missing, wrong or too old")
    try:
        events.put_nowait(event)
    except queue.Full:
        # Whoever sends webhooks sends them again.
        return "the queue is full", 503, {"Retry-After": "10"}
    return "Accepted", 202


def is_signed(signature, event):
    match = re.fullmatch(r"t=(\d{1,12}),v1=([0-9a-f]{64})", signature)
    if not match:
        return False
    expected = hmac.new(SECRET, match[1].encode() + b"." + event, hashlib.sha256).hexdigest()
    # In constant time.
    return hmac.compare_digest(expected, match[2]) and abs(time.time() - int(match[1])) <= TOLERANCE


def work():
    """Works on events until `None` comes."""
    with open(os.environ.get("JOURNAL", "events.jsonl"), "ab") as journal:
        while (event := events.get()) is not None:
            time.sleep(EACH_TAKES)  # the real work
            journal.write(event + b"\n")
            journal.flush()
        os.fsync(journal.fileno())


worker = threading.Thread(target=work, daemon=True)
worker.start()


@atexit.register
def finish():
    """Waits for the queue: gunicorn ends a worker that way, after its last response."""
    events.put(None)
    worker.join()
