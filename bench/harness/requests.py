"""The kinds of requests that changes to hansel are measured with."""

# The options of the load, and how many batches each connection sends where they are counted.
REQUESTS = {
    "smallest": ("smallest --connections 32", 600),
    "lone": ("smallest --connections 1", 6_000),
    "small": ("hello --connections 32", 600),
    "browser": ("item --connections 32 --clients own", 600),
    "proxied": ("item --connections 32", 600),
    "json": ("json --connections 32", 600),
    "pipelined": ("hello --connections 32 --depth 16", 60),
    "file": ("file-10k --connections 32", 600),
    "file-304": ("file-304 --connections 32", 600),
}


def chosen(names: str | None) -> list[str]:
    """The names of kinds, separated by commas; all for None."""
    if names is None:
        return list(REQUESTS)
    wanted = names.split(",")
    if unknown := [name for name in wanted if name not in REQUESTS]:
        raise SystemExit(f"no kind of request is named {unknown[0]!r}; there are {', '.join(REQUESTS)}")
    return wanted
