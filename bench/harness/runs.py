"""The runs of one server in one scenario, and how they compare to those of another."""

from statistics import median

from .machine import TOLERATED
from .measure import told

# There are two kinds of requests, and in a mixed load both together.
LATENCIES = ("p50", "p99", "p999", "max")


class Runs:
    """The figures of a server by rounds: only undisturbed rounds, if most are undisturbed."""

    def __init__(self, runs: list[dict]) -> None:
        undisturbed = [run for run in runs if run["others"] <= TOLERATED]
        # With thousands of connections the kernel does work that it attributes to no process.
        counted = undisturbed if len(undisturbed) * 2 >= len(runs) else runs
        self.by_round = {run["round"]: figures(run) for run in counted}
        self.errors = next((told(run["errors"]) for run in runs if told(run.get("errors", {}))), "")

    def __len__(self) -> int:
        return len(self.by_round)

    def has(self, name: str) -> bool:
        return any(name in figures for figures in self.by_round.values())

    def all(self, name: str) -> list[float]:
        return [figures[name] for figures in self.by_round.values() if name in figures]

    def median(self, name: str) -> float:
        return median(self.all(name))

    def spread(self, name: str) -> tuple[float, float]:
        return min(self.all(name)), max(self.all(name))

    def is_disturbed(self) -> bool:
        return self.median("others") > TOLERATED

    def ratio(self, other: "Runs | None", name: str) -> float | None:
        """Returns the median, over the rounds that both have, of this one's figure divided by the other's."""
        if other is None:
            return None
        common = self.by_round.keys() & other.by_round.keys()
        ratios = [self.by_round[n][name] / other.by_round[n][name] for n in common if other.by_round[n].get(name)]
        return median(ratios) if ratios else None

    def summary(self) -> dict:
        names = {name: None for figures in self.by_round.values() for name in figures}
        spreads = {name: {"median": self.median(name), **dict(zip(("min", "max"), self.spread(name)))} for name in names}
        return {**spreads, "runs": len(self), "errors": self.errors}


def figures(run: dict) -> dict[str, float]:
    if "kib_each" in run:
        return {name: run[name] for name in ("kib_each", "kib_before", "others")}
    found = {name: run[name] for name in ("per_second", "cpu", "cpu_user", "server_busy", "load_busy", "others")}
    found["cpu_system"] = run["cpu"] - run["cpu_user"]
    kinds = [kind for kind in ("quick", "slow") if run[kind]["requests"]]
    for kind in kinds + ["all"] * (len(kinds) > 1):
        found |= {f"{kind}_{name}": run[kind][name] for name in LATENCIES}
    return found
