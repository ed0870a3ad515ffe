"""Sends what the tests of web.dispatch.resource ask for to WebCore's application, over HTTP and through hansel."""

import http.client
import json
from types import SimpleNamespace

import older_python  # noqa: F401
from web.core import Application

from hansel.wsgi import make_server


class Rig:
    def do(self, verb, path="/", **data):
        with make_server("127.0.0.1", 0, Application(self.root)) as server:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
            body = json.dumps(data) if data else None
            connection.request(verb, path, body, {"Content-Type": "application/json"} if data else {})
            response = connection.getresponse()
            text = response.read().decode()
            connection.close()
        return SimpleNamespace(text=text, status_int=response.status, headers=response.headers)
