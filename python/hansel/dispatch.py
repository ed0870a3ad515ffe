"""Two styles of dispatch for WSGI: by regular expression, and by resource and verb.

    dispatcher = Dispatcher()
    dispatcher.add(r"^/$", "views.index")
    dispatcher.add(r"^/hello/(?P<username>\\w+)/$", "views.hello")
    make_server("localhost", 8000, dispatcher).serve_forever()

`Resource`, `Collection` and `ResourceDispatch` speak the dispatch protocol of `web.dispatch.resource`; `Resources` serves them.
"""

from __future__ import annotations

import re
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import import_module
from inspect import isfunction, ismethod
from threading import Lock
from typing import Any, ClassVar, NamedTuple

from hansel._candidates import Patterns
from hansel._http import Application, Environ, StartResponse, explain, path_of, respond, segments_of

__all__ = ["Collection", "Crumb", "Dispatcher", "InvalidMethod", "Resource", "ResourceDispatch", "Resources"]


class Dispatcher:
    """Calls the first WSGI application whose expression matches the path from its start.

    An application is a callable, or a name such as `"views.index"`, which is imported when it is first called. Named groups
    are passed as arguments; all groups are in the environ as `wsgiorg.routing_args`. `handle404` is called if nothing
    matches. However many expressions there are, those that can't match are found by one look at the path.
    """

    def __init__(self, handle404: Application | str | None = None) -> None:
        self.urls: dict[str, Application | str] = {}
        self.handle404 = handle404
        self._patterns: dict[str, re.Pattern[str]] = {}
        self._lock = Lock()
        # All patterns, with their expressions, once it is called.
        self._table: tuple[Patterns, list[str]] | None = None

    def add(self, regex: str, handler: Application | str) -> None:
        """Adds an expression after the others, or replaces the handler of the same one."""
        pattern = re.compile(regex)
        with self._lock:
            self._patterns[regex] = pattern
            self.urls[regex] = handler
            self._table = None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Any:
        patterns, expressions = self._table or self._compiled()
        for index, found in patterns.matches(path_of(environ)):
            handler = self.urls.get(expressions[index])
            if handler is not None:
                names = found.groupdict()
                groups = found.groups()
                environ["wsgiorg.routing_args"] = ((), names) if names else (groups, {})
                return _callable(handler)(environ, start_response, **names)
        if self.handle404 is not None:
            return _callable(self.handle404)(environ, start_response)
        tried = [f"✗ Dispatcher `{regex}` → {_name(handler)} does not match" for regex, handler in self.urls.items()]
        return explain(environ, start_response, 404, tried)

    def _compiled(self) -> tuple[Patterns, list[str]]:
        with self._lock:
            expressions = list(self.urls)
            self._table = Patterns([self._patterns[each] for each in expressions]), expressions
            return self._table


def _callable(handler: Application | str) -> Application:
    if not isinstance(handler, str):
        return handler
    module_name, _, name = handler.rpartition(".")
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise ImportError(f"Could not import {module_name}. Error was: {error}") from error
    try:
        found: Application = getattr(module, name)
    except AttributeError as error:
        raise AttributeError(f"Tried {name} in module {module_name}. Error was: {error}") from error
    return found


def _name(handler: Application | str) -> str:
    return handler if isinstance(handler, str) else getattr(handler, "__qualname__", repr(handler))


class Crumb(NamedTuple):
    """An event of dispatch: the segment that was consumed or `None`, what it has led to, and true for an endpoint."""

    segment: str | None
    handler: Any
    endpoint: bool


class InvalidMethod(Exception):
    """Is raised by the endpoint of a method that a resource does not have."""


class Resource:
    """Has a function for each verb that it takes, and classes for what is below it."""

    __dispatch__ = "resource"

    def __init__(self, context: Any = None, collection: Any = None, record: Any = None) -> None:
        self._ctx = context
        self._collection = collection
        self._record = record


class Collection(Resource):
    """Has items: `__getitem__` returns what `__resource__` is made of, and raises `KeyError` for what is not there."""

    __resource__: ClassVar[Callable[..., Any]]

    def __getitem__(self, identifier: str) -> Any:
        raise KeyError(identifier)


class ResourceDispatch:
    """Resolves a path to an endpoint, by attributes and by the verb of the request.

        for segment, handler, endpoint, *meta in dispatch(context, some_object, path):
            ...

    It makes one step into an object; `Resources` calls it again with the last handler until an endpoint is reached. If the
    context has a `response`, its `allow` is set to the verbs of the object.
    """

    def __call__(self, context: Any, obj: Any, path: Iterable[str]) -> Iterator[Crumb]:
        path = _as_deque(path)
        verb = _environ_of(context)["REQUEST_METHOD"].lower()
        if isinstance(obj, type):
            obj = _made(obj, context, None, None)
            yield Crumb(None, obj, False)
        _set(context, "resource", obj)
        response = getattr(context, "response", None)
        if response is not None:
            response.allow = verbs(obj)
        if path and path != deque([""]):
            name = path[0]
            found = self._attribute(obj, name)
            if found is not _MISSING:
                path.popleft()
                if isinstance(found, type):
                    yield Crumb(name, _made(found, context, obj, None), False)
                else:
                    yield Crumb(name, found, True)
                return
            if isinstance(obj, Collection) or hasattr(obj, "__resource__"):
                _set(context, "collection", obj)
                try:
                    record = obj[name]
                except KeyError:
                    return
                path.popleft()
                yield Crumb(name, _made(obj.__resource__, context, obj, record), False)
                return
        found = self._attribute(obj, verb)
        yield Crumb(None, _invalid_method if found is _MISSING else found, True)

    def _attribute(self, obj: Any, name: str) -> Any:
        if name.startswith("_"):
            return _MISSING
        found = getattr(obj, name, _MISSING)
        if found is _MISSING and name == "options":
            return partial(self.options, obj)
        if found is _MISSING and name == "head" and hasattr(obj, "get"):
            return partial(self.head, obj)
        return found

    def head(self, obj: Any, *args: Any, **named: Any) -> Any:
        """Does what `get` does; the server sends no body."""
        return obj.get(*args, **named)

    def options(self, obj: Any, *_: Any, **_named: Any) -> None:
        """Does nothing: `Allow` says all."""


_MISSING = object()


def _made(resource: Callable[..., Any], *arguments: Any) -> Any:
    return resource(*arguments)


def _invalid_method(*_: Any, **_named: Any) -> None:
    raise InvalidMethod


def verbs(obj: Any) -> list[str]:
    """Returns the methods that an object takes, sorted."""
    kind: Any = obj.__class__
    # Of the class first: a property of the object would run code of the program.
    names = (name for name in dir(kind) if not name.startswith("_") and isfunction(getattr(kind, name, None)))
    found = {name.upper() for name in names if ismethod(getattr(obj, name, None))} | {"OPTIONS"}
    return sorted(found | {"HEAD"} if "GET" in found else found)


def _as_deque(path: Iterable[str]) -> deque[str]:
    if isinstance(path, deque):
        return path
    warnings.warn("the path of dispatch should be a deque", RuntimeWarning, stacklevel=3)
    return deque(path.lstrip("/").split("/") if isinstance(path, str) else path)


def _environ_of(context: Any) -> Environ:
    environ: Environ = getattr(context, "environ", context)
    return environ


def _set(context: Any, name: str, value: Any) -> None:
    if hasattr(context, "environ"):
        setattr(context, name, value)


class Context:
    """What resources of one request share."""

    def __init__(self, environ: Environ) -> None:
        self.environ = environ
        self.resource: Any = None
        self.collection: Any = None
        self.status = 200
        self.headers: dict[str, str] = {"Content-Type": "text/html; charset=utf-8"}


class Resources:
    """A WSGI application of resources. `root` is a class, of which each request has an object, or an object.

    Functions return `str`, `bytes` or nothing. What is left of a path is 404, a path never names a verb, and `Allow` is on
    405 and on responses to OPTIONS. `self._ctx` has `environ`, and `status` and `headers` to set.
    """

    def __init__(self, root: Any) -> None:
        self.root = root
        self._dispatch = ResourceDispatch()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Any:
        context = Context(environ)
        path = deque(segments_of(environ))
        handler, endpoint, trail = self.root, None, list[str]()
        while endpoint is None:
            crumbs = list(self._dispatch(context, handler, path))
            for crumb in crumbs:
                trail.append(f"→ {_shown(crumb)}")
                handler = crumb.handler
            if not crumbs:
                there = ", ".join(verbs(context.resource))
                trail.append(f"✗ {type(context.resource).__name__}: no item `{path[0]}`; it takes {there}")
                return explain(environ, start_response, 404, trail)
            if crumbs[-1].endpoint:
                endpoint = crumbs[-1]
        if endpoint.segment is not None or path:
            trail[-1] = f"✗ {type(context.resource).__name__}: nothing is at `{endpoint.segment or path[0]}`"
            return explain(environ, start_response, 404, trail)
        return self._call(context, endpoint, start_response, trail)

    def _call(self, context: Context, endpoint: Crumb, start_response: StartResponse, trail: list[str]) -> Any:
        allow = {"Allow": ", ".join(verbs(context.resource))}
        method: str = context.environ["REQUEST_METHOD"]
        # Methods are case-sensitive (RFC 9110 §9.1), and a value is no function.
        if endpoint.handler is _invalid_method or not method.isupper() or not _is_function(endpoint.handler):
            trail[-1] = f"✗ {type(context.resource).__name__} takes {allow['Allow']}"
            return explain(context.environ, start_response, 405, trail, allow)
        content = endpoint.handler()
        if method == "OPTIONS":
            context.headers |= allow
        if content is None:
            context.headers.pop("Content-Type", None)
            context.status = 204 if context.status == 200 else context.status
        return respond(start_response, context.status, content, context.headers)


def _is_function(found: Any) -> bool:
    return ismethod(found) or isinstance(found, partial)


def _shown(crumb: Crumb) -> str:
    name = getattr(crumb.handler, "__qualname__", type(crumb.handler).__name__)
    return f"{crumb.segment or ''} {name}".strip()
