"""Each example is one file that can be copied, and does what it says."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(autouse=True)
def importable(monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])


@pytest.mark.parametrize(
    "name, attribute, target, body",
    [
        ("hello", "application", "/", b"Hello, world!\n"),
        ("regex_dispatcher", "dispatcher", "/", b"Index"),
        ("regex_dispatcher", "dispatcher", "/hello/gretel/", b"Hello gretel"),
        ("resource", "application", "/", b"10 potatoes in the field."),
        ("resource", "application", "/3", b"One of 10 beautiful potatoes."),
        ("simple", "service", "/test/a/b/c", b"test ['a', 'b', 'c']"),
        ("simple", "service", "/extended", b"extended []"),
        ("simple", "service", "/monkey/x", b"monkey ['x']"),
    ],
)
def test_an_example(served: Any, name: str, attribute: str, target: str, body: bytes) -> None:
    assert served(getattr(importlib.import_module(name), attribute)).request(target)[2] == body


def test_picohttps_example(served: Any) -> None:
    from hansel.picohttp import HttpServer

    pico = importlib.import_module("pico")
    server = HttpServer(0, pico.requestHandler, start=False)
    assert served(server._call).request("/hello")[2] == b"Hello world!"


def test_each_example_is_tested() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {"hello", "pico", "regex_dispatcher", "resource", "simple"}
