"""Watching the files of a program."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable

INTERVAL = 0.25
"""Seconds between two looks."""


def watch(changed: Callable[[], None], more: Iterable[str] = ()) -> None:
    """Has `changed` called once, when the file of a module, or one of `more`, changes or vanishes."""
    before: dict[str, float | None] = {}

    def has_changed() -> bool:
        times = {path: _time_of(path) for path in {*_loaded(), *more}}
        return any(before.setdefault(path, now) != now for path, now in times.items())

    def look() -> None:
        while not has_changed():
            time.sleep(INTERVAL)
        changed()

    has_changed()
    threading.Thread(target=look, name="hansel-reload", daemon=True).start()


def files_of(error: BaseException) -> set[str]:
    """Returns the files that have to do with an error."""
    files = {frame.filename for frame in traceback.extract_tb(error.__traceback__)}
    if isinstance(error, SyntaxError) and error.filename:
        files.add(error.filename)
    return files


def _loaded() -> list[str]:
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return [path for path in files if path]


def _time_of(path: str) -> float | None:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None
