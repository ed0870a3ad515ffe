"""All scenarios in one table: hansel compared with the limit and the best of the others."""

from .runs import Runs
from .scenarios import Scenario
from .servers import Server
from .table import Results, shown, those_who_ran

HEAD = [
    "| | requests/s | ÷ limit | ÷ best peer | CPU ns | ÷ limit | ÷ best peer | p99 µs | ÷ best peer |",
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
]


def markdown(scenarios: list[Scenario], servers: list[Server], results: Results) -> str:
    rows = []
    for scenario in scenarios:
        found = those_who_ran(results[scenario.name])
        if "hansel" in found and not scenario.weighs_memory:
            rows += [row(label, cells) for label, cells in lines(scenario, servers, found)]
    if not rows:
        return ""
    return "\n".join(["### hansel beside the limit and the best peer in each column", "", *HEAD, *rows]) + "\n"


def lines(scenario: Scenario, servers: list[Server], found: dict[str, Runs]):
    """Returns the rows of a scenario: one, or one for each kind of request, where only the latency differs."""
    hansel, limit = found["hansel"], found.get("limit")
    # A server that failed in most rounds is not compared.
    peers = {
        server.name: found[server.name]
        for server in servers
        if server.is_peer and server.name in found and len(found[server.name]) * 2 >= len(hansel)
    }
    # A server that responds to few requests, or leaves clients without a response, has few that wait.
    busy = {
        name: peer
        for name, peer in peers.items()
        if not peer.errors and (hansel.ratio(peer, "per_second") or 3) <= 2
    }
    kinds = [kind for kind in ("quick", "slow", "all") if hansel.has(f"{kind}_p99")]
    for kind in kinds:
        label = scenario.name if len(kinds) == 1 else f"{scenario.name}, {kind}"
        p99 = f"{kind}_p99"
        yield label, [
            *(f"{hansel.median('per_second'):,.0f}", shown(hansel.ratio(limit, "per_second"))),
            beside_the_best(hansel, peers, "per_second", min),
            *(f"{hansel.median('cpu'):,.0f}", shown(hansel.ratio(limit, "cpu"))),
            beside_the_best(hansel, peers, "cpu", max),
            *(f"{hansel.median(p99):,.0f}", beside_the_best(hansel, busy, p99, max)),
        ]


def beside_the_best(hansel: Runs, peers: dict[str, Runs], name: str, worst) -> str:
    """Returns hansel's ratio to the peer beside which it looks worst, and that peer."""
    ratios = {peer: ratio for peer, runs in peers.items() if (ratio := hansel.ratio(runs, name)) is not None}
    if not ratios:
        return ""
    best = worst(ratios, key=ratios.get)
    return f"{shown(ratios[best])} {best}"


def row(label: str, cells: list[str]) -> str:
    return f"| {' | '.join([label, *cells])} |"
