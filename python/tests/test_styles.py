"""The styles of dispatch, and picohttp's interface, as their documents show them."""

from __future__ import annotations

import http.client
from collections import deque
from types import SimpleNamespace
from typing import Any, Self

import pytest

from hansel import simpledispatch
from hansel.dispatch import Collection, Dispatcher, InvalidMethod, Resource, ResourceDispatch, Resources
from hansel.picohttp import HttpRequest, HttpResponse, HttpServer
from hansel.simpledispatch import SimpleDispatch


class TestPicohttp:
    @pytest.fixture
    def asked(self) -> Any:
        """Starts a server and returns what it responds."""
        servers: list[HttpServer] = []

        def ask(handler: Any, method: str = "GET", target: str = "/", body: Any = None, **headers: str) -> Any:
            if not servers:
                servers.append(HttpServer(0, handler, args=("A", 2), start=False, block=False))
                servers[0].start()
            connection = http.client.HTTPConnection("127.0.0.1", servers[0].port, timeout=10)
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            return response.status, response.read().decode(), dict(response.getheaders())

        yield ask
        for server in servers:
            server.stop()

    def test_the_documents_example(self, asked: Any) -> None:
        def request_handler(request: HttpRequest, response: HttpResponse, *_: Any) -> None:
            if request.path[0] == "hello":
                response.data = "Hello world!"
            elif request.path[0] == "goodbye":
                response.data = "Goodbye cruel world"
            else:
                response.status = 404

        for method, target, status, text in [
            ("GET", "/hello", 200, "Hello world!"),
            ("GET", "/goodbye", 200, "Goodbye cruel world"),
            ("GET", "/nope", 404, ""),
            ("GET", "/", 404, ""),
            ("GET", "/hello/", 200, "Hello world!"),
            ("HEAD", "/hello", 200, ""),
            ("BREW", "/hello", 200, "Hello world!"),
            ("GET", "/hello?a", 200, "Hello world!"),
        ]:
            assert asked(request_handler, method, target)[:2] == (status, text)

    def test_elements_of_the_request_are_parsed(self, asked: Any) -> None:
        def handler(request: HttpRequest, response: HttpResponse, *args: Any) -> None:
            seen = request.method, request.path, request.query, request.protocol, request.data, args
            response.data = repr((*seen, request.headers["x-time"], request.headers.get("X-No")))

        body = asked(handler, "POST", "/dump/b%20c//d%2Fe?x=1&y=a%20b&z", "h\xe9llo".encode(), **{"X-Time": "10:11"})[1]
        expected = ["dump", "b c", "", "d/e"], {"x": "1", "y": "a b", "z": ""}, "HTTP/1.1", "h\xe9llo", ("A", 2)
        assert body == repr(("POST", *expected, "10:11", None))

    def test_bodies_are_text_or_octets_or_none(self, asked: Any) -> None:
        def handler(request: HttpRequest, response: HttpResponse, *_: Any) -> None:
            response.data = repr(request.data)

        assert asked(handler)[1] == "None"
        assert asked(handler, "POST", body=b"")[1] == "''"
        assert asked(handler, "POST", body=b"\xff")[1] == repr(b"\xff")
        assert asked(handler, "POST", body=iter([b"a", b"b"]))[1] == "'ab'"

    def test_what_the_handler_sets_is_sent(self, asked: Any) -> None:
        def handler(request: HttpRequest, response: HttpResponse, *_: Any) -> None:
            if request.path == ["raise"]:
                raise ValueError("secret")
            response.status = int(request.path[0])
            response.headers.update({"X-A": 5, "content-length": 99})
            response.data = "h\xe9llo"

        status, text, headers = asked(handler, target="/299")
        assert (status, text, headers["X-A"], headers["Content-Length"]) == (299, "h\xe9llo", "5", "6")
        assert asked(handler, target="/204")[:2] == (204, "")
        status, text, _ = asked(handler, target="/raise")
        assert status == 500 and "secret" not in text


class TestSimpledispatch:
    def test_functions_are_found_by_name_by_subclass_and_by_patching(self, served: Any) -> None:
        class Service(SimpleDispatch):
            value = 1

            def method_index(self, params: list[str]) -> str:
                return f"index {params}"

            def method_extended(self, params: list[str]) -> str:
                self.status = 201
                self.headers["X-A"] = "b"
                return f"extended {params}"

        client = served(simpledispatch.application(Service))
        assert client.request("/")[2] == b"index []"
        assert client.request("/test/a/b%2Fc/")[2] == b"test ['a', 'b/c', '']"
        status, headers, body = client.request("/extended")
        assert (status, headers["x-a"], body) == (201, "b", b"extended []")
        for target in ("/nope", "/method_test", "/__class__", "/value", "/Test", "/monkey"):
            assert client.request(target)[0] == 404
        SimpleDispatch.method_monkey = lambda self, params: "patched"  # type: ignore[attr-defined]
        assert client.request("/monkey")[2] == b"patched"
        del SimpleDispatch.method_monkey  # type: ignore[attr-defined]
        assert client.request("/monkey")[0] == 404

    def test_a_404_explains_itself_in_development_only(self, served: Any) -> None:
        application = simpledispatch.application(SimpleDispatch)
        assert served(application).request("/nope")[2] == b"Not Found"
        text = served(application, development=True).request("/nope")[2].decode()
        assert "SimpleDispatch: no `nope`; there is test" in text
        html = served(application, development=True).request("/%3Cb%3E", headers={"Accept": "text/html"})[2]
        assert b"no `&lt;b&gt;`" in html and b"<b>" not in html


def views(environ: Any, start_response: Any, username: str = "Index") -> list[bytes]:
    start_response("200 Ok", [("content-type", "text/html")])
    return [username.encode()]


class TestDispatcher:
    def test_the_documents_urls(self, served: Any) -> None:
        dispatcher = Dispatcher()
        dispatcher.add(r"^/$", f"{__name__}.views")
        dispatcher.add(r"^/hello/(?P<username>\w+)/$", views)
        dispatcher.add(r"^/demo", "wsgiref.simple_server.demo_app")
        dispatcher.add(r"^/n/(\d+)", lambda environ, start: views(environ, start, repr(environ["wsgiorg.routing_args"])))
        dispatcher.add(r"^/no-module", "there_is_no.module")
        dispatcher.add(r"^/no-name", "wsgiref.no_name")
        client = served(dispatcher)
        for target, status, body in [
            ("/", 200, b"Index"),
            ("/hello/Ann/?q=1", 200, b"Ann"),
            ("/hello/%C3%A9/", 200, "\xe9".encode()),
            ("/hello/Ann", 404, b"Not Found"),
            ("/n/12", 200, b"(('12',), {})"),
            ("/x/", 404, b"Not Found"),
            ("/no-module", 500, b"Internal Server Error\n"),
            ("/no-name", 500, b"Internal Server Error\n"),
        ]:
            assert client.request(target)[::2] == (status, body)
        assert client.request("/demo")[2].startswith(b"Hello world!")

    def test_a_404_of_ones_own(self, served: Any) -> None:
        for handler in (views, f"{__name__}.views"):
            assert served(Dispatcher(handler)).request("/nope")[2] == b"Index"

    def test_a_404_names_what_was_tried_in_development(self, served: Any) -> None:
        dispatcher = Dispatcher()
        dispatcher.add("^/a$", views)
        text = served(dispatcher, development=True).request("/b")[2].decode()
        assert text.splitlines() == ["GET /b", "  ✗ Dispatcher `^/a$` → views does not match", "404 Not Found"]

    def test_a_500_shows_its_traceback_in_development_only(self, served: Any) -> None:
        def failing(*_: Any) -> Any:
            raise ValueError("secret")

        assert b"secret" not in served(failing).request()[2]
        assert b"ValueError: secret" in served(failing, development=True).request()[2]


class Potato(Resource):
    def get(self) -> str:
        return f"One of {self._collection.potatoes} beautiful potatoes."

    def delete(self) -> str:
        type(self._collection).potatoes -= 1
        return "You monster."


class Field(Collection):
    __resource__ = Potato
    potatoes = 10

    def get(self) -> str:
        return f"{self.potatoes} potatoes in the field."

    def post(self) -> str:
        Field.potatoes += 1
        return f"There are now {Field.potatoes} potatoes in the field."

    def delete(self) -> str:
        Field.potatoes = 0
        return "You monster."

    def __getitem__(self, index: Any) -> int:
        try:
            index = int(index)
        except ValueError:
            raise KeyError from None
        if index <= 0 or index > self.potatoes:
            raise KeyError
        return int(index)


class Farm(Resource):
    motto = "dig"

    class barn(Resource):
        def get(self) -> str:
            return f"barn of {type(self._collection).__name__} / {self._record}"

        class loft(Resource):
            def get(self) -> str:
                return "loft"

    field = Field

    def get(self) -> str:
        return "farm"

    def plough(self) -> str:
        return "ploughed"

    def put(self) -> str:
        return "put"

    @property
    def prop(self) -> str:
        return "value of prop"

    @staticmethod
    def stat() -> str:
        return "static"

    def _private(self) -> str:
        return "hidden"


class OnlyPost(Resource):
    def post(self) -> str:
        return "posted"


@pytest.fixture(autouse=True)
def ten_potatoes() -> None:
    Field.potatoes = 10


class TestResourceDispatch:
    def events(self, method: str, path: list[str], root: Any = Field) -> tuple[list[Any], list[str], Any]:
        """The events of one step as the vectors write them, the path that is left, and the context."""
        context = SimpleNamespace(
            environ={"REQUEST_METHOD": method}, response=SimpleNamespace(allow=None), collection=None, resource=None
        )
        left = deque(path)
        events: list[Any] = []
        for segment, handler, endpoint, *_meta in ResourceDispatch()(context, root, left):
            name = getattr(handler, "__qualname__", None) or (handler if endpoint else type(handler).__name__)
            events.append((segment, name, endpoint))
        return events, list(left), context

    @pytest.mark.parametrize(
        "method, path, root, events, left",
        [
            ("GET", [], Field, [(None, "Field", False), (None, "Field.get", True)], []),
            ("GET", ["3"], Field, [(None, "Field", False), ("3", "Potato", False)], []),
            ("GET", ["0"], Field, [(None, "Field", False)], ["0"]),
            ("GET", ["nope"], Field, [(None, "Field", False)], ["nope"]),
            ("GET", ["_ctx"], Field, [(None, "Field", False)], ["_ctx"]),
            ("GET", ["", ""], Field, [(None, "Field", False)], ["", ""]),
            ("GET", ["3", ""], Field, [(None, "Field", False), ("3", "Potato", False)], [""]),
            ("GET", ["post"], Field, [(None, "Field", False), ("post", "Field.post", True)], []),
            ("GET", ["potatoes"], Field, [(None, "Field", False), ("potatoes", 10, True)], []),
            ("GET", ["barn", "loft"], Farm, [(None, "Farm", False), ("barn", "barn", False)], ["loft"]),
            ("GET", ["plough", "x"], Farm, [(None, "Farm", False), ("plough", "Farm.plough", True)], ["x"]),
            ("PLOUGH", [], Farm, [(None, "Farm", False), (None, "Farm.plough", True)], []),
            ("GET", ["motto"], Farm, [(None, "Farm", False), ("motto", "dig", True)], []),
            ("GET", ["_private"], Farm, [(None, "Farm", False), (None, "Farm.get", True)], ["_private"]),
            ("get", [], Farm, [(None, "Farm", False), (None, "Farm.get", True)], []),
            ("GET", ["3"], Field(), [("3", "Potato", False)], []),
        ],
    )
    def test_events_are_those_of_the_original(self, method: str, path: Any, root: Any, events: Any, left: Any) -> None:
        assert self.events(method, path, root)[:2] == (events, left)

    def test_the_context_learns_of_objects_and_verbs(self) -> None:
        _, _, context = self.events("GET", ["3"])
        assert isinstance(context.collection, Field) and context.resource is context.collection
        assert context.response.allow == ["DELETE", "GET", "HEAD", "OPTIONS", "POST"]
        _, _, context = self.events("GET", ["barn"], Farm)
        assert context.collection is None and isinstance(context.resource, Farm)
        assert context.response.allow == ["GET", "HEAD", "OPTIONS", "PLOUGH", "PUT"]
        assert self.events("GET", [], OnlyPost)[2].response.allow == ["OPTIONS", "POST"]

    def test_what_has_no_such_verb_raises_when_it_is_called(self) -> None:
        context = SimpleNamespace(environ={"REQUEST_METHOD": "PATCH"})
        _, handler, endpoint = list(ResourceDispatch()(context, Field, deque()))[-1]
        assert endpoint
        with pytest.raises(InvalidMethod):
            handler()

    def test_a_path_may_be_text_or_a_list_with_a_warning_and_the_context_an_environ(self) -> None:
        for path in ("/3", "3", ["3"]):
            with pytest.warns(RuntimeWarning):
                assert [event[0] for event in ResourceDispatch()({"REQUEST_METHOD": "GET"}, Field, path)] == [None, "3"]

    def test_a_class_without_a_base_is_a_resource(self) -> None:
        class Single:
            def __init__(self, context: Any, collection: Any = None, record: Any = None) -> None:
                pass

            def get(self: Self) -> str:
                return "single"

        assert list(ResourceDispatch()({"REQUEST_METHOD": "GET"}, Single, deque()))[-1].handler() == "single"


class TestResources:
    def test_the_field_over_http(self, served: Any) -> None:
        client = served(Resources(Field))
        for method, target, status, body in [
            ("GET", "/", 200, b"10 potatoes in the field."),
            ("GET", "/3", 200, b"One of 10 beautiful potatoes."),
            ("DELETE", "/3", 200, b"You monster."),
            ("GET", "/", 200, b"9 potatoes in the field."),
            ("POST", "/", 200, b"There are now 10 potatoes in the field."),
            ("GET", "/0", 404, b"Not Found"),
            ("DELETE", "/nope", 404, b"Not Found"),
            ("GET", "/3/4", 404, b"Not Found"),
            ("GET", "/3/", 404, b"Not Found"),
            # A link could destroy something.
            ("GET", "/3/delete", 404, b"Not Found"),
            ("GET", "/potatoes", 404, b"Not Found"),
            ("HEAD", "/3", 200, b""),
            ("OPTIONS", "/3", 204, b""),
            ("PATCH", "/3", 405, b"Method Not Allowed"),
            ("DELETE", "/", 200, b"You monster."),
            ("GET", "/1", 404, b"Not Found"),
        ]:
            assert client.request(target, method)[::2] == (status, body), (method, target)
        assert client.request("/", "OPTIONS")[1]["allow"] == "DELETE, GET, HEAD, OPTIONS, POST"
        assert client.request("/", "PATCH")[1]["allow"] == "DELETE, GET, HEAD, OPTIONS, POST"
        assert client.request("/")[1]["content-type"] == "text/html; charset=utf-8"

    def test_nested_resources_and_verbs_of_ones_own(self, served: Any) -> None:
        client = served(Resources(Farm))
        for method, target, status, body in [
            ("GET", "/barn", 200, b"barn of Farm / None"),
            ("GET", "/barn/loft", 200, b"loft"),
            ("GET", "/field/3", 200, b"One of 10 beautiful potatoes."),
            ("PLOUGH", "/", 200, b"ploughed"),
            ("GET", "/plough", 404, b"Not Found"),
            ("GET", "/motto", 404, b"Not Found"),
            ("GET", "/_private", 404, b"Not Found"),
            ("MOTTO", "/", 405, b"Method Not Allowed"),
            ("STAT", "/", 405, b"Method Not Allowed"),
            ("_PRIVATE", "/", 405, b"Method Not Allowed"),
            ("get", "/", 405, b"Method Not Allowed"),
        ]:
            assert client.request(target, method)[::2] == (status, body), (method, target)

    def test_a_miss_explains_itself_in_development(self, served: Any) -> None:
        text = served(Resources(Farm), development=True).request("/field/11")[2].decode()
        assert text.splitlines() == [
            "GET /field/11",
            "  → Farm",
            "  → field Field",
            "  ✗ Field: no item `11`; it takes DELETE, GET, HEAD, OPTIONS, POST",
            "404 Not Found",
        ]
