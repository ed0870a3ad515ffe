"""All scenarios in one table: hansel beside the limit and the best of the others."""

from .scenarios import Scenario
from .servers import Server
from .table import Results, is_disturbed, ratio, summary

HEAD = [
    "| | requests/s | ÷ limit | best peer | CPU ns | ÷ limit | best peer | p99 µs | best peer "
    "| least CPU ns | ÷ limit | best peer |",
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
]


def markdown(scenarios: list[Scenario], servers: list[Server], results: Results) -> str:
    rows = []
    for scenario in scenarios:
        found = results[scenario.name]
        summaries = {name: summary(runs) for name, runs in found.items() if isinstance(runs, list) and runs}
        if "hansel" in summaries and not scenario.weighs_memory:
            rows += [row(label, figures) for label, figures in lines(scenario, servers, summaries)]
    if not rows:
        return ""
    return "\n".join(["### hansel beside the limit and the best peer in each column", "", *HEAD, *rows]) + "\n"


def lines(scenario: Scenario, servers: list[Server], summaries: dict):
    """The rows of a scenario: one, or one for each kind of request, where only the latency differs."""
    peers = {server.name: summaries[server.name] for server in servers if server.is_peer and server.name in summaries}
    hansel, limit = summaries["hansel"], summaries.get("limit")
    kinds = [kind for kind in ("quick", "slow", "all") if f"{kind}_p99" in hansel]
    for kind in kinds:
        label = scenario.name if len(kinds) == 1 else f"{scenario.name}, {kind}"
        quiet = {name: peer for name, peer in peers.items() if not is_disturbed(peer)}
        # Who answers few requests has few that wait.
        least = hansel["per_second"]["median"] / 2
        busy = {name: peer for name, peer in quiet.items() if peer["per_second"]["median"] >= least}
        yield label, [
            *column(hansel, limit, quiet, "per_second", max),
            *column(hansel, limit, peers, "cpu", min),
            *column(hansel, None, busy, f"{kind}_p99", min)[::2],
            # Whoever disturbs a run only makes it dearer: on a busy machine this is the steadiest.
            *column(hansel, limit, peers, "cpu", min, "min"),
        ]


def column(hansel: dict, limit: dict | None, peers: dict, name: str, best, of_runs: str = "median") -> list[str]:
    value = hansel[name][of_runs]
    of_limit = ratio(value, limit[name][of_runs]) if limit else ""
    others = {peer: found[name][of_runs] for peer, found in peers.items() if name in found}
    if not others:
        return [f"{value:,.0f}", of_limit, ""]
    leader = best(others, key=others.get)
    return [f"{value:,.0f}", of_limit, f"{others[leader]:,.0f} {leader}"]


def row(label: str, figures: list[str]) -> str:
    return f"| {' | '.join([label, *figures])} |"
