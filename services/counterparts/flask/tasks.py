"""A JSON API over SQLite."""

import os
import sqlite3

from flask import Flask, Response, g, json, jsonify, request
from werkzeug.exceptions import BadRequest, HTTPException, NotFound, PreconditionFailed, UnprocessableEntity

DATABASE = os.environ.get("DATABASE", "tasks.db")
DEFAULTS = {"priority": 0, "done": False}

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 2 * 1024 * 1024
app.json.sort_keys = False


@app.get("/tasks")
def list_tasks():
    """`GET /tasks?done=false&after=17`: at most 100, in the order of their ids."""
    done = request.args.get("done")
    if done not in (None, "true", "false"):
        raise BadRequest("done: true or false")
    try:
        after = int(request.args.get("after", 0))
    except ValueError:
        raise BadRequest("after: a number") from None
    select = "SELECT * FROM tasks WHERE id > ? AND (? IS NULL OR done = ?) ORDER BY id LIMIT 100"
    done = None if done is None else done == "true"
    return jsonify([shown(row) for row in database().execute(select, [after, done, done])])


@app.get("/tasks/<int:task>")
def show(task):
    return respond(find(task))


@app.post("/tasks")
def add():
    content = read_content()
    insert = "INSERT INTO tasks (title, priority, done) VALUES (:title, :priority, :done) RETURNING *"
    with database() as connection:
        added = connection.execute(insert, content).fetchone()
    response = respond(added, 201)
    response.headers["Location"] = f"/tasks/{added['id']}"
    return response


@app.put("/tasks/<int:task>")
def replace(task):
    """With `If-Match`, only if nobody has changed it meanwhile."""
    content = read_content()
    version = version_to_change(task)
    update = """UPDATE tasks SET version = version + 1, title = :title, priority = :priority, done = :done
                WHERE id = :id AND version = :version RETURNING *"""
    with database() as connection:
        replaced = connection.execute(update, {**content, "id": task, "version": version}).fetchone()
    if replaced is None:
        raise PreconditionFailed("the task has been changed meanwhile")
    return respond(replaced)


@app.delete("/tasks/<int:task>")
def delete(task):
    version = version_to_change(task)
    with database() as connection:
        deleted = connection.execute("DELETE FROM tasks WHERE id = ? AND version = ?", [task, version])
    if deleted.rowcount == 0:
        raise PreconditionFailed("the task has been changed meanwhile")
    return "", 204


def read_content():
    """Returns what a client has written, and names everything that is wrong with it."""
    sent = request.get_json()
    if not isinstance(sent, dict):
        raise UnprocessableEntity("an object is expected")
    unknown = sent.keys() - {"title", "priority", "done"}
    if unknown:
        raise UnprocessableEntity(f"unknown field `{min(unknown)}`")
    content = {**DEFAULTS, **sent}
    errors = {}
    if not isinstance(content.get("title"), str) or not content["title"].strip():
        errors["title"] = "must not be empty"
    elif len(content["title"]) > 200:
        errors["title"] = "must have at most 200 characters"
    if type(content["priority"]) is not int or not 0 <= content["priority"] <= 9:
        errors["priority"] = "must be 0 to 9"
    if not isinstance(content["done"], bool):
        errors["done"] = "must be true or false"
    if errors:
        error = UnprocessableEntity("the task is not valid")
        error.errors = errors
        raise error
    return content


def version_to_change(task):
    """Returns the version that the request may change."""
    version = find(task)["version"]
    if request.if_match and not request.if_match.contains(str(version)):
        raise PreconditionFailed("the task has been changed meanwhile")
    return version


def find(task):
    row = database().execute("SELECT * FROM tasks WHERE id = ?", [task]).fetchone()
    if row is None:
        raise NotFound("there is no such task")
    return row


def shown(row):
    return {"id": row["id"], "title": row["title"], "priority": row["priority"], "done": bool(row["done"])}


def respond(row, status=200):
    response = jsonify(shown(row))
    response.status_code = status
    response.set_etag(str(row["version"]))
    return response


@app.errorhandler(HTTPException)
def problem(error):
    """Errors as RFC 9457 describes them."""
    shown = {"type": "about:blank", "title": error.name, "status": error.code, "detail": error.description}
    if errors := getattr(error, "errors", None):
        shown["errors"] = errors
    return Response(json.dumps(shown), error.code, content_type="application/problem+json")


def database():
    if "database" not in g:
        g.database = sqlite3.connect(DATABASE)
        g.database.row_factory = sqlite3.Row
        g.database.execute("PRAGMA synchronous = NORMAL")
    return g.database


@app.teardown_appcontext
def close(_):
    if "database" in g:
        g.pop("database").close()


with sqlite3.connect(DATABASE) as opened:
    opened.executescript("""
        PRAGMA journal_mode = WAL;
        CREATE TABLE IF NOT EXISTS tasks (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            version INTEGER NOT NULL DEFAULT 1,
            title TEXT NOT NULL,
            priority INTEGER NOT NULL,
            done INTEGER NOT NULL
        )""")
