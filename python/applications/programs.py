"""Twelve applications that others have written, each as a factory. State is in the directory `HANSEL_STATE`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

STATE = Path(os.environ.get("HANSEL_STATE", "."))


def flask() -> Any:
    import io

    from flask import Flask, redirect, request, send_file, session, stream_with_context

    app = Flask(__name__)
    app.secret_key = "a secret of a test"
    app.add_url_rule("/", view_func=lambda: "hello", endpoint="hello")
    app.add_url_rule("/name/<name>", view_func=lambda name: {"name": name, "path": request.path}, endpoint="name")
    app.add_url_rule("/form", view_func=lambda: dict(request.form), methods=["POST"], endpoint="form")
    app.add_url_rule("/go", view_func=lambda: redirect("/"), endpoint="go")
    app.add_url_rule("/file", view_func=lambda: send_file(io.BytesIO(b"x" * 9999), "text/plain"), endpoint="file")
    app.add_url_rule("/source", view_func=lambda: send_file(__file__), endpoint="source")
    app.add_url_rule("/fails", view_func=lambda: 1 / 0, endpoint="fails")

    @app.route("/stream")
    def stream() -> Any:
        return stream_with_context(f"{number}\n" for number in range(10))

    @app.route("/count")
    def count() -> str:
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    return app


def httpbin() -> Any:
    from httpbin import app

    return app


def django() -> Any:
    import django
    from django.conf import settings
    from django.contrib import admin
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from django.urls import path

    settings.configure(
        SECRET_KEY="a secret of a test",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": STATE / "django.sqlite"}},
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
        ],
        MIDDLEWARE=[
            "django.middleware.common.CommonMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        STATIC_URL="/static/",
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )
    django.setup()
    call_command("migrate", verbosity=0)
    globals()["urlpatterns"] = [path("admin/", admin.site.urls)]
    return get_wsgi_application()


def bottle() -> Any:
    from bottle import Bottle, request, response, static_file

    app = Bottle()
    app.route("/", callback=lambda: "hello")
    app.route("/json", callback=lambda: {"query": dict(request.query)})
    app.route("/echo", method="POST", callback=lambda: request.body.read())
    app.route("/file", callback=lambda: static_file(Path(__file__).name, root=str(Path(__file__).parent)))
    app.route("/cookie", callback=lambda: response.set_cookie("a", "b") or "set")
    app.route("/chunks", callback=lambda: (part for part in (b"a", b"", b"b")))
    return app


def falcon() -> Any:
    import falcon

    class Thing:
        def on_get(self, request: Any, response: Any, name: str) -> None:
            response.media = {"name": name, "query": request.params}

        def on_put(self, request: Any, response: Any, name: str) -> None:
            response.media = request.media
            response.status = falcon.HTTP_201

        def on_post(self, request: Any, response: Any, name: str) -> None:
            response.stream = request.bounded_stream

    app = falcon.App()
    app.add_route("/things/{name}", Thing())
    return app


def pyramid() -> Any:
    from pyramid.config import Configurator
    from pyramid.response import FileResponse, Response

    with Configurator() as config:
        config.add_route("hello", "/hello/{name}")
        config.add_view(lambda request: Response("hello " + request.matchdict["name"]), route_name="hello")
        config.add_route("file", "/file")
        config.add_view(lambda request: FileResponse(__file__, request), route_name="file")
        config.add_route("echo", "/echo")
        config.add_view(lambda request: Response(body=request.body), route_name="echo", request_method="POST")
        return config.make_wsgi_app()


def wsgidav() -> Any:
    from wsgidav.wsgidav_app import WsgiDAVApp

    root = STATE / "dav"
    root.mkdir(exist_ok=True)
    (root / "file.txt").write_text("0123456789" * 10)
    os.utime(root / "file.txt", (1e9, 1e9))
    return WsgiDAVApp(
        {"provider_mapping": {"/": str(root)}, "simple_dc": {"user_mapping": {"*": True}}, "verbose": 0, "logging": {}}
    )


def radicale() -> Any:
    from radicale import Application
    from radicale.config import load

    configuration = load()
    storage = {"filesystem_folder": str(STATE / "radicale")}
    configuration.update({"auth": {"type": "none"}, "storage": storage, "rights": {"type": "authenticated"}}, "test")
    return Application(configuration)


def klaus() -> Any:
    import subprocess

    from klaus import make_app

    repository = STATE / "repository"
    if not repository.exists():
        subprocess.run(["git", "init", "-q", "-b", "main", repository], check=True)
        (repository / "file.txt").write_text("content\n")
        who = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@b"}
        when = {"GIT_AUTHOR_DATE": "2020-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z"}
        for command in (["add", "."], ["commit", "-q", "-m", "first"]):
            subprocess.run(["git", *command], cwd=repository, check=True, env={**os.environ, **who, **when})
    return make_app([str(repository)], "Repositories", use_smarthttp=True)


def devpi() -> Any:
    import subprocess

    from devpi_server.config import get_pluginmanager, parseoptions
    from devpi_server.main import XOM

    directory = str(STATE / "devpi")
    if not Path(directory).exists():
        init = [str(Path(sys.executable).parent / "devpi-init"), "--serverdir", directory, "--no-root-pypi"]
        subprocess.run(init, check=True, stdout=subprocess.DEVNULL)
    config = parseoptions(get_pluginmanager(), ["devpi-server", "--serverdir", directory, "--offline-mode"])
    config.init_nodeinfo()
    return XOM(config).create_app()


def webcore() -> Any:
    sys.path.insert(0, str(Path(__file__).parent.parent / "origins"))
    import older_python  # noqa: F401
    from field import Field
    from web.core import Application

    return Application(Field)


def validate() -> Any:
    from wsgiref.simple_server import demo_app
    from wsgiref.validate import validator

    def echo(environ: Any, start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "GET":
            body = "\n".join(line for line in b"".join(demo_app(environ, lambda *_: None)).decode().split("\n")[:1]).encode()
        else:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [body]

    return validator(echo)
