"""The resources of web.dispatch.resource's document, through WebCore: the same responses by hansel as by wsgiref."""

import http.client
import sys
import threading
import wsgiref.simple_server

import older_python  # noqa: F401
from web.core import Application
from web.dispatch.resource import Collection, Resource

import hansel.wsgi


class Potato(Resource):
    def get(self):
        return "One of " + str(self._collection.potatoes) + " beautiful potatoes."

    def delete(self):
        self._collection.potatoes -= 1
        return "You monster."


class Field(Collection):
    __resource__ = Potato
    potatoes = 10

    def get(self):
        return str(self.potatoes) + " potatoes in the field."

    def post(self):
        Field.potatoes += 1
        return "There are now " + str(Field.potatoes) + " potatoes in the field."

    def delete(self):
        Field.potatoes = 0
        return "You monster."

    def __getitem__(self, index):
        try:
            index = int(index)
        except ValueError:
            raise KeyError()
        if index <= 0 or index > self.potatoes:
            raise KeyError()
        return index


REQUESTS = [
    *(("GET", path) for path in ("/", "/3", "/0", "/11", "/nope", "/potatoes", "/3/4", "/head", "/options")),
    *((method, path) for path in ("/", "/3") for method in ("POST", "PATCH", "OPTIONS", "HEAD", "DELETE", "GET")),
    ("GET", "/1"),
]


class QuietHandler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


def responses(port):
    Field.potatoes = 10
    for method, path in REQUESTS:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request(method, path)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        allow = sorted(filter(None, headers.get("allow", "").split(", ")))
        body = response.read()
        connection.close()
        # The page of an error is the server's.
        yield method, path, response.status, allow, body if response.status < 500 else b""


def main():
    application = Application(Field)
    with hansel.wsgi.make_server("127.0.0.1", 0, application) as server:
        by_hansel = list(responses(server.server_port))
    server = wsgiref.simple_server.make_server("127.0.0.1", 0, application, handler_class=QuietHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    by_wsgiref = list(responses(server.server_port))
    server.shutdown()
    different = [pair for pair in zip(by_hansel, by_wsgiref, strict=True) if pair[0] != pair[1]]
    for ours, theirs in different:
        print("hansel ", *ours, "\nwsgiref", *theirs)
    print(f"WebCore: {len(REQUESTS) - len(different)} of {len(REQUESTS)} responses as by wsgiref")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
