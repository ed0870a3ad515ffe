"""Results as tables: medians of the rounds, with the smallest and the largest."""

from .runs import Runs
from .scenarios import Scenario
from .servers import Server

# Results by scenario and server: a list of runs, or the reason why there are none.
Results = dict[str, dict[str, list[dict] | str]]


def those_who_ran(found: dict[str, list[dict] | str]) -> dict[str, Runs]:
    return {name: Runs(runs) for name, runs in found.items() if isinstance(runs, list)}


def markdown(scenario: Scenario, servers: list[Server], results: Results) -> str:
    """Returns the table of one scenario."""
    found = those_who_ran(results[scenario.name])
    if scenario.weighs_memory:
        head, row = MEMORY_HEAD, memory_row
    else:
        head, row = HEADS["mix" if scenario.work in ("mix", "lock-mix") else "others"], speed_row
    lines = [f"### {scenario.name}: {scenario.title}", "", *head]
    present = (server for server in servers if server.name in found)
    for server in sorted(present, key=lambda server: rank(server, found[server.name])):
        lines.append(row(server, found, servers))
    lines.append("")
    for server in servers:
        reason = results[scenario.name].get(server.name)
        if isinstance(reason, str):
            lines.append(f"* {server.name}: {reason}")
        elif server.name in found and found[server.name].errors:
            lines.append(f"* {server.name}: errors: {found[server.name].errors}")
    return "\n".join(lines).rstrip() + "\n"


FIRST_COLUMNS = "| server | requests/s | ÷ limit | ÷ best peer | CPU ns | ÷ limit | ÷ best peer | user | system |"
FIRST_RULES = "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
HEADS = {
    "others": [
        f"{FIRST_COLUMNS} p50 µs | p99 µs | p99.9 µs | runs | others |",
        f"{FIRST_RULES}--:|--:|--:|--:|--:|",
    ],
    "mix": [
        f"{FIRST_COLUMNS} quick p50 µs | quick p99 µs | slow p50 µs | slow p99 µs | p99 µs of all | runs | others |",
        f"{FIRST_RULES}--:|--:|--:|--:|--:|--:|--:|",
    ],
}
MEMORY_HEAD = [
    "| server | KiB for each connection | KiB before |",
    "|---|--:|--:|",
]


def rank(server: Server, runs: Runs):
    figure = runs.median("kib_each") if runs.has("kib_each") else -runs.median("per_second")
    return (server.name != "limit", figure)


def speed_row(server: Server, found: dict[str, Runs], servers: list[Server]) -> str:
    runs, limit = found[server.name], found.get("limit")
    peers = [found[peer.name] for peer in servers if peer.is_peer and peer.name in found]
    # The requests/s of a disturbed run cannot be compared; its processor time still can.
    quiet_peers = [peer for peer in peers if not peer.is_disturbed()]
    quickest = max(quiet_peers, key=lambda peer: peer.median("per_second"), default=None)
    cheapest = min(peers, key=lambda peer: peer.median("cpu"), default=None)
    is_quiet = not runs.is_disturbed()
    cells = [
        f"**{server.name}**" if server.name == "hansel" else server.name,
        spread(runs, "per_second"),
        shown(runs.ratio(limit, "per_second")) if is_quiet and limit and not limit.is_disturbed() else "",
        shown(runs.ratio(quickest, "per_second")) if is_quiet else "",
        spread(runs, "cpu"),
        shown(runs.ratio(limit, "cpu")),
        shown(runs.ratio(cheapest, "cpu")),
        f"{runs.median('cpu_user'):,.0f}",
        f"{runs.median('cpu_system'):,.0f}",
    ]
    if runs.has("all_p99"):
        latencies = ["quick_p50", "quick_p99", "slow_p50", "slow_p99", "all_p99"]
    else:
        kind = "quick" if runs.has("quick_p99") else "slow"
        latencies = [f"{kind}_{name}" for name in ("p50", "p99", "p999")]
    cells += [f"{runs.median(name):,.0f}" for name in latencies]
    cells += [f"{len(runs)}", f"{runs.median('others'):.0%}"]
    return f"| {' | '.join(cells)} |"


def memory_row(server: Server, found: dict[str, Runs], _servers: list[Server]) -> str:
    runs = found[server.name]
    least, most = runs.spread("kib_each")
    name = f"**{server.name}**" if server.name == "hansel" else server.name
    return f"| {name} | {runs.median('kib_each'):.2f} ({least:.2f}..{most:.2f}) | {runs.median('kib_before'):,.0f} |"


def spread(runs: Runs, name: str) -> str:
    least, most = runs.spread(name)
    return f"{runs.median(name):,.0f} ({least:,.0f}..{most:,.0f})"


def shown(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.3f}"
