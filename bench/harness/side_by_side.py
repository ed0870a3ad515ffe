"""The tables of `docs/comparison.md`: the servers side by side, a table for each figure."""

import json
import sys
from pathlib import Path

from .overview import row
from .servers import BENCH

PAGE = BENCH.parent / "docs/comparison.md"
# What is between these two lines of the page is written by the benchmark.
BEGIN, END = "<!-- bench/run: begin -->", "<!-- bench/run: end -->"
SHOWN = ("hansel", "hyper", "axum", "actix-web", "tiny_http", "rouille", "may_minihttp")
TABLES = {
    "Processor time in nanoseconds per request, kernel included": ("cpu",),
    "Requests per second": ("per_second",),
    # Of a mix, the one of all its requests.
    "p99 in microseconds": ("all_p99", "quick_p99", "slow_p99"),
}


def write(summary: dict) -> None:
    """Puts the tables into the page."""
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE} has no place for the tables: {BEGIN} and {END}")
    PAGE.write_text(f"{before}{BEGIN}\n{markdown(summary)}{END}{after}")


def markdown(summary: dict) -> str:
    tables = [table(title, "scenario", rows(summary, names)) for title, names in TABLES.items()]
    return "\n".join([*tables, table("Memory", "KiB", memory_rows(summary))])


def table(title: str, label: str, rows: list[str]) -> str:
    return "\n".join([f"### {title}", "", row(label, list(SHOWN)), f"|---|{'--:|' * len(SHOWN)}", *rows]) + "\n"


def rows(summary: dict, names: tuple[str, ...]) -> list[str]:
    """Returns a row for each scenario in which hansel has such a figure."""
    return [
        row(scenario, [cell(found.get(server), names) for server in SHOWN])
        for scenario, found in summary.items()
        if cell(found.get("hansel"), names) != "–"
    ]


def memory_rows(summary: dict) -> list[str]:
    found = summary.get("memory", {})
    titles = {"kib_each": "for an idle connection", "kib_before": "before the first connection"}
    return [row(title, [cell(found.get(server), (name,)) for server in SHOWN]) for name, title in titles.items()]


def cell(figures: dict | str | None, names: tuple[str, ...]) -> str:
    """Returns the median of the first of these figures that there is, or a dash if the server could not do it."""
    if not isinstance(figures, dict):
        return "–"
    median = next((figures[name]["median"] for name in names if name in figures), None)
    if median is None:
        return "–"
    return f"{median:.2f}" if "kib_each" in names else f"{median:,.0f}"


if __name__ == "__main__":
    write(json.loads(Path(sys.argv[1]).read_text())["summary"])
