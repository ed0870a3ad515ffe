#!/usr/bin/env python3
"""Counts the word `unsafe` in the code of this repository, where it must be as often as is stated here,
and in that of the crates below hansel, which is told for who wants to know. Counts those crates as well, of
which there must not be too many."""

import json
import pathlib
import re
import subprocess
import sys

# Every directory with our own code, and how often the word may occur in it.
STATED = {
    ".": 0,
    # The fastest possible server: it makes system calls directly, which the product never does.
    "bench/limit": 6,
    # Keeping Python's lock from one call to the next, and lending it a request and its body, in one file: src/boundary.rs.
    "python": 10,
}

# The most crates below hansel, by flags.
MOST = {"": 20, "--no-default-features": 16}

COMMENTS_AND_TEXTS = re.compile(
    r"""//[^\n]*|/\*.*?\*/|\br(#+)".*?"\1|"(?:\\.|[^"\\])*"|'(?:\\(?:'|[^']*)|[^\\'])'""", re.DOTALL
)


def count(file):
    code = COMMENTS_AND_TEXTS.sub("", file.read_text(encoding="utf-8", errors="replace"))
    return len(re.findall(r"\bunsafe\b", code))


def ours():
    listed = subprocess.check_output(["git", "ls-files", "-z", "*.rs"], text=True)
    counts = dict.fromkeys(STATED, 0)
    for name in filter(None, listed.split("\0")):
        place = max((place for place in STATED if name.startswith(place + "/")), key=len, default=".")
        found = count(pathlib.Path(name))
        counts[place] += found
        if found and not STATED[place]:
            print(f"{name}: {found}", file=sys.stderr)
    return counts


def below(*flags):
    """Name and version of the crates that are part of a hansel built with these flags."""
    command = ["cargo", "tree", "--locked", "--package", "hansel", "--edges", "normal", "--prefix", "none", *flags]
    lines = subprocess.check_output(command, text=True).splitlines()
    return {tuple(line.split()[:2]) for line in lines if line and not line.startswith("hansel v")}


def sources():
    """Where the sources of each crate are."""
    command = ["cargo", "metadata", "--locked", "--all-features", "--format-version", "1"]
    metadata = json.loads(subprocess.check_output(command))
    return {
        (package["name"], "v" + package["version"]): pathlib.Path(package["manifest_path"]).parent / "src"
        for package in metadata["packages"]
    }


def main():
    counts = ours()
    for place, stated in STATED.items():
        print(f"`unsafe` in {'everything else of ours' if place == '.' else place}: {counts[place]}, stated {stated}")
    default, everything, places = below(), below("--all-features"), sources()
    print("\nand below hansel, with all features (* by default):")
    for crate in sorted(everything):
        found = sum(count(file) for file in places[crate].rglob("*.rs"))
        print(f"  {'*' if crate in default else ' '} {' '.join(crate):32}{found:5}")
    is_over = False
    for flags, most in MOST.items():
        many = len(below(*flags.split()))
        print(f"{many} crates {flags or 'by default'}, at most {most}")
        is_over |= many > most
    if counts != STATED:
        sys.exit("not as often as is stated")
    if is_over:
        sys.exit("too many crates")


main()
