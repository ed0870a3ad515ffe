"""Many expressions at once: which of them may match is found by Rust in one look at the path, and Python's `re` decides.

Each expression is translated into one for Rust that matches whenever the original does, and hardly more. So what Rust does
not have (backreferences, assertions) or means otherwise (`\\w` beyond ASCII, `$` before a newline) needs no rule of its own:
it is left out, or replaced by more. What Python's `re` says of the candidates is what counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

from hansel import _hansel

ANY = r"(?s:.)"
NOT_ASCII = r"\x{80}-\x{10FFFF}"
ASCII_OF = {"DIGIT": r"0-9", "WORD": r"0-9A-Za-z_", "SPACE": r"\x09-\x0D\x1C-\x20"}
ASCII_NOT_OF = {"DIGIT": r"\x00-/:-\x7F", "WORD": r"\x00-/:-@\[-\^`\{-\x7F", "SPACE": r"\x00-\x08\x0E-\x1B!-\x7F"}
FEW = 12
"""So many expressions are tried by Python one after the other: asking Rust takes as long as eight of them."""

MOST_REPEATED = 20
"""Larger counts make an expression large, and tell hardly more."""


class Patterns:
    """Compiled expressions, in order."""

    def __init__(self, patterns: Sequence[re.Pattern[str]], few: int = FEW) -> None:
        self._patterns = patterns
        self._all = range(len(patterns))
        self._candidates = None if len(patterns) <= few else _hansel.Candidates([wider(each) for each in patterns])

    def matches(self, path: str) -> Iterable[tuple[int, re.Match[str]]]:
        """Yields the expressions that match the beginning of `path`, by number, in order."""
        for index in self._of(path):
            found = self._patterns[index].match(path)
            if found:
                yield index, found

    def _of(self, path: str) -> Sequence[int]:
        if self._candidates is None:
            return self._all
        try:
            return self._candidates.of(path)
        except UnicodeEncodeError:
            # It has half of a surrogate pair, which no text of Rust's has.
            return self._all


def wider(pattern: re.Pattern[str]) -> str:
    """Returns an expression for Rust that matches whenever `pattern` does."""
    try:
        parser: Any = import_module("re._parser")
        return _sequence(parser.parse(pattern.pattern, pattern.flags), pattern.flags, True)
    except Exception:
        # An interpreter whose parser has changed: all paths are candidates.
        return ""


def _sequence(parsed: Any, flags: int, is_last: bool) -> str:
    parts = list(parsed)
    last = len(parts) - 1
    return "".join(_part(str(name), value, flags, is_last and at == last) for at, (name, value) in enumerate(parts))


def _part(name: str, value: Any, flags: int, is_last: bool) -> str:
    """Returns what one node matches. `is_last` is true if nothing follows it in the whole expression."""
    match name:
        case "LITERAL":
            return f"[{_cases(value)}]" if flags & re.IGNORECASE else _character(value)
        case "NOT_LITERAL":
            return f"[^{_character(value)}]" if not flags & re.IGNORECASE else ANY
        case "ANY":
            return ANY
        case "IN":
            return _class(value, flags)
        case "BRANCH":
            return "(?:" + "|".join(_sequence(each, flags, is_last) for each in value[1]) + ")"
        case "SUBPATTERN":
            _, added, removed, inner = value
            return f"(?:{_sequence(inner, (flags | added) & ~removed, is_last)})"
        case "ATOMIC_GROUP":
            return f"(?:{_sequence(value, flags, False)})"
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most, inner = value
            bounded = f"{least},{int(most)}" if most <= MOST_REPEATED else f"{min(least, MOST_REPEATED)},"
            return f"(?:{_sequence(inner, flags, False)}){{{bounded}}}"
        case "AT":
            return _place(str(value), flags, is_last)
        case "ASSERT" | "ASSERT_NOT":
            return ""
        case _:
            return f"{ANY}*"


def _place(name: str, flags: int, is_last: bool) -> str:
    if name == "AT_END_STRING":
        return r"\z"
    # Before the newline at the end, too; and what follows may match that.
    if name == "AT_END" and is_last and not flags & re.MULTILINE:
        return r"\n?\z"
    return ""


def _class(items: Any, flags: int) -> str:
    if flags & re.IGNORECASE:
        return ANY
    is_negated = str(items[0][0]) == "NEGATE"
    # What is excluded must be less than what Python excludes.
    inner = "".join(_item(str(name), value, is_negated) for name, value in items[is_negated:])
    return f"[^{inner}]" if is_negated else f"[{inner}]"


def _item(name: str, value: Any, is_exact: bool) -> str:
    if name == "LITERAL":
        return _character(value)
    if name == "RANGE":
        return f"{_character(value[0])}-{_character(value[1])}"
    _, _, category = str(value).partition("_")
    kind = category.removeprefix("NOT_")
    ascii_ = ASCII_OF[kind] if kind == category else ASCII_NOT_OF[kind]
    return ascii_ if is_exact else ascii_ + NOT_ASCII


def _cases(code: int) -> str:
    """Returns all cases of a character. Some beyond ASCII are cases of ASCII's, by rules that differ."""
    if code >= 128:
        return r"\x00-\x{10FFFF}"
    letter = chr(code)
    return _character(ord(letter.lower())) + _character(ord(letter.upper())) + NOT_ASCII


def _character(code: int) -> str:
    return f"\\x{{{code:X}}}"
