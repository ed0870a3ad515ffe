"""Takes files of any size, and serves them with ranges."""

import contextlib
import os
import pathlib
import shutil
import tempfile

from flask import Flask, abort, redirect, render_template, request, send_from_directory
from werkzeug.utils import secure_filename

SHELF = pathlib.Path(os.environ.get("DIRECTORY", "shelf")).resolve()
ARRIVING = SHELF / ".arriving"

app = Flask(__name__, static_folder=None)
app.config["MAX_CONTENT_LENGTH"] = 4 * 1024 * 1024 * 1024
ARRIVING.mkdir(parents=True, exist_ok=True)


@app.get("/")
def page():
    files = sorted((file.name, file.stat().st_size) for file in SHELF.iterdir() if file.is_file())
    return render_template("page.html", files=files)


@app.post("/")
def upload():
    for file in request.files.getlist("file"):
        if name := secure_filename(file.filename):
            store(name, file.stream)
    return redirect("/", 303)


@app.get("/files/<name>")
def send(name):
    response = send_from_directory(SHELF, checked(name))
    # A page that somebody has uploaded must not act for its readers.
    response.headers["Content-Security-Policy"] = "sandbox"
    return response


@app.put("/files/<name>")
def put(name):
    return "", 201 if store(name, request.stream) else 204


@app.delete("/files/<name>")
def delete(name):
    try:
        (SHELF / checked(name)).unlink()
    except FileNotFoundError:
        abort(404)
    return "", 204


def checked(name):
    if not name or name.startswith(".") or len(name.encode()) > 255 or any(letter in name for letter in "/\\\0"):
        abort(422, "no name for a file")
    return name


def store(name, content):
    """Stores a file whole or not at all. Returns whether there was none of that name."""
    path = SHELF / checked(name)
    descriptor, arriving = tempfile.mkstemp(dir=ARRIVING)
    try:
        with os.fdopen(descriptor, "wb") as file:
            shutil.copyfileobj(content, file, 64 * 1024)
            file.flush()
            os.fsync(file.fileno())
        is_new = not path.exists()
        os.rename(arriving, path)
        return is_new
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(arriving)


@app.get("/style.css")
def style():
    return send_from_directory(pathlib.Path(__file__).resolve().parents[2] / "files/src", "style.css")


@app.after_request
def protect(response):
    policy = "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    response.headers.setdefault("Content-Security-Policy", policy)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
