"""Expressions by Rust and by Python's `re` mean the same: whatever Python matches is a candidate, and Python decides."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hansel import _hansel
from hansel._candidates import FEW, Patterns, wider
from hansel.dispatch import Dispatcher

# Of everything that a path or an expression may treat in its own way.
CHARACTERS = "ab/-_.09AKkSs\n\t\x1c \x7f\x85\xa0\xe9\xc9\u017f\u0130\u0131\u0660\u212a\u2028\u20ac\U0001f600"

ATOMS = [
    "a", "b", "/", "-", "k", "S", "i", "\\.", ".", "\\w", "\\W", "\\d", "\\D", "\\s", "\\S", "\\b", "\\B", "^", "$", "\\A", "\\Z",
    "[ab]", "[^a]", "[^/]", "[a-k]", "[\\w-]", "[^\\w]", "[\\W]", "[^\\D/]", "[\\s\\S]", "[^\\s]", "[\u0100-\u2fff]", "[^\xe9]", "\xe9",
    "\\n", "\\x1c", "\\u212a", "(?=a)", "(?!a)", "(?<=a)", "(?<!/)", "[]a]", "[&&a]", "[a~~b]", "\\/", "\\-",
]  # fmt: skip


def repeated(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    counts = ["*", "+", "?", "*?", "+?", "??", "{2}", "{0,1}", "{1,3}?", "{2,}", "*+"]
    return st.builds("(?:{}){}".format, inner, st.sampled_from(counts))


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    groups = ["({})", "(?:{})", "(?i:{})", "(?s:{})", "(?m:{})", "(?a:{})", "(?-i:{})", "(?>{})", "({0})\\1", "(x)?{}(?(1)a|b)"]
    return st.one_of(
        st.lists(inner, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: "(?:" + "|".join(parts) + ")"),
        repeated(inner),
        st.builds(lambda group, part: group.format(part), st.sampled_from(groups), inner),
    )


def compiles(expression: str) -> bool:
    # Python's `re` takes exponential time for repeats of repeats.
    if len(re.findall(r"(?<!\()[*+?}]", expression)) > 4:
        return False
    try:
        re.compile(expression)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


EXPRESSIONS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "^", "(?i)", "(?x) ", "(?s)^"]),
    st.recursive(st.sampled_from(ATOMS), larger, max_leaves=8),
    st.sampled_from(["", "$", "\\Z", "/$", "\n", "$\n", "$\\s", "$|b"]),
).filter(compiles)

# Short ones are often matched.
PATHS = st.one_of(st.text("a/\n", max_size=3), st.text(CHARACTERS, max_size=8))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@settings(max_examples=700, deadline=None)
@given(st.lists(EXPRESSIONS, min_size=1, max_size=4), st.lists(PATHS, min_size=1, max_size=6))
def test_whatever_python_matches_is_found_with_the_same_groups(expressions: list[str], paths: list[str]) -> None:
    patterns = [re.compile(each) for each in expressions]
    table = Patterns(patterns, few=0)
    for path in paths:
        expected = [(index, each.match(path)) for index, each in enumerate(patterns)]
        expected_groups = [(index, found.span(), found.groups()) for index, found in expected if found]
        assert [(index, found.span(), found.groups()) for index, found in table.matches(path)] == expected_groups


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@settings(max_examples=150, deadline=None)
@given(st.lists(EXPRESSIONS, min_size=1, max_size=FEW + 4), PATHS)
def test_a_dispatcher_calls_what_the_first_expression_that_matches_names(expressions: list[str], path: str) -> None:
    dispatcher = Dispatcher(lambda *_: "nothing")
    for expression in expressions:
        dispatcher.add(expression, lambda environ, _start, name=expression, **_names: name)
    environ = {"PATH_INFO": path.encode().decode("latin-1")}
    matching = (each for each in dict.fromkeys(expressions) if re.match(each, path))
    assert dispatcher(environ, None) == next(matching, "nothing")


@pytest.mark.parametrize(
    "expression, path, is_candidate",
    [
        (r"^/$", "/", True),
        (r"^/$", "/a", False),
        (r"^/hello/(?P<name>\w+)/$", "/hello/gretel/", True),
        (r"^/hello/(?P<name>\w+)/$", "/hello/gretel/x", False),
        (r"^/a(/b|/c$)", "/a/d", False),
        (r"(?i)/A", "/b", False),
        (r"^/\d{4}/", "/20x4/", False),
        (r"^/[^/]+$", "/a/b", False),
        (r"^/x/(?=y)", "/y/", False),
        (r"^/a{30}$", "/" + "a" * 30, True),
        (r"^/a{30}$", "/" + "a" * 19, False),
    ],
)
def test_what_can_not_match_is_no_candidate(expression: str, path: str, is_candidate: bool) -> None:
    """Otherwise Rust would be of no use."""
    assert _hansel.Candidates([wider(re.compile(expression))]).of(path) == ([0] if is_candidate else [])


def test_what_rust_does_not_compile_is_left_to_python() -> None:
    assert _hansel.Candidates(["a", "(", "b"]).of("b") == [1, 2]
    patterns = [re.compile("[\ud800-\udfff]a"), re.compile("(?:a{1000}){1000}b"), re.compile("b")]
    assert [index for index, _ in Patterns(patterns, few=0).matches("b")] == [2]
    assert [index for index, _ in Patterns(patterns, few=0).matches("\ud800a")] == [0]


def test_expressions_may_be_added_while_requests_are_dispatched() -> None:
    dispatcher = Dispatcher(lambda *_: None)
    is_over = threading.Event()
    failures: list[BaseException] = []

    def dispatch() -> None:
        try:
            while not is_over.is_set():
                dispatcher({"PATH_INFO": "/nowhere"}, None)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=dispatch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(3 * FEW):
        handler: Any = lambda _environ, _start, number=number: number  # noqa: E731
        dispatcher.add(f"^/{number}$", handler)
        assert dispatcher({"PATH_INFO": f"/{number}"}, None) == number
    is_over.set()
    for thread in threads:
        thread.join()
    assert not failures
    del dispatcher.urls["^/7$"]
    assert dispatcher({"PATH_INFO": "/7"}, None) is None
