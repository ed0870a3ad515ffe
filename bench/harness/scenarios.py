"""The scenarios: the requests of the load, and how the server is started for them."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    # The request; see `work/src/lib.rs`. The limit sends the response of the same name.
    work: str
    connections: int = 64
    depth: int = 1
    clients: str = "mixed"
    close: bool = False
    body: int = 0
    # Idle connections beside the load; for the memory scenario, those that are measured.
    idle: int = 0
    weighs_memory: bool = False
    loops: int = 1
    # Threads of the load: one thread can keep one loop busy.
    load_threads: int = 1
    # How many handlers may block at once. Servers with a fixed number of threads get that many.
    threads: int = 16
    # Both processes may use both processors.
    shares_processors: bool = False
    warm_up: float = 0.1
    # With many connections, a run is longer and there are fewer runs.
    least_seconds: float = 0.0
    share_of_rounds: float = 1.0

    @property
    def blocks(self) -> bool:
        return self.work in ("sleep", "mix") or self.locks

    @property
    def locks(self) -> bool:
        """Returns whether all handlers share a lock."""
        return self.work in ("locked", "lock-mix")

    @property
    def needs_files(self) -> bool:
        return self.work.startswith("file-")

    def load_arguments(self) -> list[str]:
        arguments = [self.work, "--connections", self.connections, "--depth", self.depth]
        arguments += ["--threads", self.load_threads, "--clients", self.clients, "--body", self.body, "--idle", self.idle]
        arguments += ["--close"] if self.close else []
        return [str(argument) for argument in arguments]


def named(scenario: Scenario, name: str, title: str, **changes) -> Scenario:
    return replace(scenario, name=name, title=title, **changes)


MANY = {"least_seconds": 1.0, "share_of_rounds": 0.5}

HELLO = Scenario("keep-alive-64", "Keep-alive, 64 connections", "hello")

SCENARIOS = [
    HELLO,
    named(HELLO, "keep-alive-256", "Keep-alive, 256 connections", connections=256),
    named(
        HELLO,
        "keep-alive-10000",
        "Keep-alive, 10,000 connections",
        connections=10_000,
        warm_up=0.6,
        **MANY,
    ),
    named(HELLO, "pipelined-16", "Pipelined, 16 requests at a time, 64 connections", depth=16),
    Scenario("browser", "Browsers: 13 fields, a route, three fields in the answer", "item", clients="own"),
    Scenario("proxied", "The same behind a proxy: each request is another client's", "item"),
    named(HELLO, "close", "A connection for each request", close=True),
    Scenario("10k", "Answers of 10 kB", "10k"),
    Scenario("1m", "Answers of 1 MB, 16 connections", "1m", connections=16),
    Scenario("file-10k", "Files of 10 kB", "file-10k"),
    Scenario("file-1m", "Files of 1 MB, 16 connections", "file-1m", connections=16),
    Scenario("file-range", "10 kB of a file of 1 MB", "file-range"),
    Scenario("file-304", "A file that the client has already", "file-304"),
    Scenario("upload-1k", "Uploads of 1 kB", "upload", body=1000),
    # A body that is read as it arrives may block its handler; some servers allow that for half of their threads.
    Scenario("upload-1m", "Uploads of 1 MB, 16 connections", "upload", body=1_000_000, connections=16, threads=64),
    Scenario("json", "JSON", "json"),
    Scenario(
        "blocking",
        "A handler that blocks for 10 ms, 256 connections (25,600/s is all that 256 threads can do)",
        "sleep",
        connections=256,
        threads=256,
        warm_up=0.3,
        least_seconds=0.6,
    ),
    Scenario(
        "mix",
        "90 % quick, 10 % blocking for 10 ms, 256 connections",
        "mix",
        connections=256,
        threads=256,
        warm_up=0.3,
        least_seconds=0.6,
    ),
    Scenario(
        "locked-64",
        "A lock that all handlers share, held for 20 µs by each, 64 connections",
        "locked",
        threads=64,
        warm_up=0.3,
        least_seconds=0.6,
    ),
    Scenario(
        "locked-256",
        "The same, 256 connections",
        "locked",
        connections=256,
        threads=256,
        warm_up=0.3,
        least_seconds=0.6,
    ),
    Scenario(
        "lock-mix-64",
        "The same lock, held for 20 µs by 90 % and for 5 ms by 10 %, 64 connections",
        "lock-mix",
        threads=64,
        warm_up=0.3,
        least_seconds=1.0,
    ),
    Scenario(
        "lock-mix-256",
        "The same, 256 connections",
        "lock-mix",
        connections=256,
        threads=256,
        warm_up=0.3,
        least_seconds=1.0,
    ),
    named(HELLO, "idle-10000", "Keep-alive, 64 connections, beside 10,000 idle ones", idle=10_000, **MANY),
    named(HELLO, "memory", "Memory of 5,000 idle connections", idle=5_000, weighs_memory=True, share_of_rounds=0.2),
    named(
        HELLO,
        "two-loops",
        "Keep-alive, 64 connections, two loops; server and load share two processors",
        loops=2,
        load_threads=2,
        shares_processors=True,
    ),
]


def chosen(names: str | None) -> list[Scenario]:
    """Returns the scenarios with those names, separated by commas; all for None."""
    if names is None:
        return SCENARIOS
    known = {scenario.name: scenario for scenario in SCENARIOS}
    wanted = names.split(",")
    if unknown := [name for name in wanted if name not in known]:
        raise SystemExit(f"no scenario is named {unknown[0]!r}; there are {', '.join(known)}")
    return [known[name] for name in wanted]
