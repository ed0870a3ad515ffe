"""Results as tables: medians of the rounds, with the smallest and the largest."""

from statistics import median

from .machine import TOLERATED
from .measure import told
from .scenarios import Scenario
from .servers import Server

# Results by scenario and server: a list of runs, or the reason why there are none.
Results = dict[str, dict[str, list[dict] | str]]


def summary(runs: list[dict]) -> dict:
    """Median, smallest and largest of every figure, over the runs that nobody disturbed, if there are any."""
    runs = [run for run in runs if run["others"] <= TOLERATED] or runs
    if "kib_each" in runs[0]:
        figures = {"kib_each": [run["kib_each"] for run in runs], "kib_before": [run["kib_before"] for run in runs]}
    else:
        figures = {
            "per_second": [run["per_second"] for run in runs],
            "cpu": [run["cpu"] for run in runs],
            "cpu_user": [run["cpu_user"] for run in runs],
            "cpu_system": [run["cpu"] - run["cpu_user"] for run in runs],
            "server_busy": [run["server_busy"] for run in runs],
            "load_busy": [run["load_busy"] for run in runs],
        }
        kinds = [kind for kind in ("quick", "slow") if runs[0][kind]["requests"]]
        for kind in kinds + ["all"] * (len(kinds) > 1):
            for name in ("p50", "p99", "p999", "max"):
                figures[f"{kind}_{name}"] = [run[kind][name] for run in runs]
    figures["others"] = [run["others"] for run in runs]
    spread = {name: {"median": median(of), "min": min(of), "max": max(of)} for name, of in figures.items()}
    errors = [told(run["errors"]) for run in runs if told(run.get("errors", {}))]
    return {**spread, "runs": len(runs), "errors": errors[0] if errors else ""}


def markdown(scenario: Scenario, servers: list[Server], results: Results) -> str:
    """The table of one scenario."""
    found = results[scenario.name]
    summaries = {name: summary(runs) for name, runs in found.items() if isinstance(runs, list) and runs}
    if scenario.weighs_memory:
        head, row = MEMORY_HEAD, memory_row
    else:
        head, row = HEADS["mix" if scenario.work == "mix" else "others"], speed_row
    lines = [f"### {scenario.name}: {scenario.title}", "", *head]
    ranked = sorted(
        (server for server in servers if server.name in summaries),
        key=lambda server: rank(server, summaries[server.name]),
    )
    for server in ranked:
        lines.append(row(server, summaries, servers))
    lines.append("")
    for server in servers:
        if isinstance(found.get(server.name), str):
            lines.append(f"* {server.name}: {found[server.name]}")
        elif server.name in summaries and summaries[server.name]["errors"]:
            lines.append(f"* {server.name}: errors: {summaries[server.name]['errors']}")
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


def rank(server: Server, found: dict):
    if "kib_each" in found:
        return (server.name != "limit", found["kib_each"]["median"])
    return (server.name != "limit", -found["per_second"]["median"])


def speed_row(server: Server, summaries: dict, servers: list[Server]) -> str:
    found = summaries[server.name]
    speed, cpu = found["per_second"], found["cpu"]
    peers = [summaries[peer.name] for peer in servers if peer.is_peer and peer.name in summaries]
    limit = summaries.get("limit")
    quiet_peers = [peer for peer in peers if not is_disturbed(peer)]
    best_speed = max((peer["per_second"]["median"] for peer in quiet_peers), default=None)
    best_cpu = min((peer["cpu"]["median"] for peer in peers), default=None)
    # Requests/s of a run that was disturbed can't be compared; the processor time of one still can.
    is_quiet = not is_disturbed(found)
    cells = [
        f"**{server.name}**" if server.name == "hansel" else server.name,
        f"{speed['median']:,.0f} ({speed['min']:,.0f}..{speed['max']:,.0f})",
        ratio(speed["median"], limit["per_second"]["median"]) if is_quiet and limit and not is_disturbed(limit) else "",
        ratio(speed["median"], best_speed) if is_quiet else "",
        f"{cpu['median']:,.0f} ({cpu['min']:,.0f}..{cpu['max']:,.0f})",
        ratio(cpu["median"], limit and limit["cpu"]["median"]),
        ratio(cpu["median"], best_cpu),
        f"{found['cpu_user']['median']:,.0f}",
        f"{found['cpu_system']['median']:,.0f}",
    ]
    if "all_p99" in found:
        latencies = ["quick_p50", "quick_p99", "slow_p50", "slow_p99", "all_p99"]
    else:
        kind = "quick" if "quick_p99" in found else "slow"
        latencies = [f"{kind}_{name}" for name in ("p50", "p99", "p999")]
    cells += [f"{found[name]['median']:,.0f}" for name in latencies]
    cells += [f"{found['runs']}", f"{found['others']['median']:.0%}"]
    return f"| {' | '.join(cells)} |"


def memory_row(server: Server, summaries: dict, _servers: list[Server]) -> str:
    found = summaries[server.name]
    each = found["kib_each"]
    name = f"**{server.name}**" if server.name == "hansel" else server.name
    return f"| {name} | {each['median']:.2f} ({each['min']:.2f}..{each['max']:.2f}) | {found['kib_before']['median']:,.0f} |"


def is_disturbed(found: dict) -> bool:
    return found["others"]["median"] > TOLERATED


def ratio(value: float, other: float | None) -> str:
    return f"{value / other:.3f}" if other else ""
