"""One run of one server in one scenario, repeated while others disturb it."""

import json
import os
import subprocess
import time

from . import machine
from .scenarios import Scenario
from .servers import LOAD_PROCESSOR, SERVER_PROCESSOR, TARGET, Running, Server, Unable, running

LOAD = TARGET / "release" / "bench-load"
# How often a run that was disturbed is repeated; then the least disturbed one counts.
ATTEMPTS = 3


class Plan:
    """How long, and how patiently, is measured."""

    def __init__(self, seconds: float, patience: float, attempts: int = ATTEMPTS, warm_up: float | None = None) -> None:
        self.seconds = seconds
        self.patience = patience
        self.attempts = attempts
        self.warm_up = warm_up

    def warm_up_for(self, scenario: Scenario) -> float:
        return scenario.warm_up if self.warm_up is None else self.warm_up


def measure(server: Server, scenario: Scenario, plan: Plan) -> dict:
    """The result of a run: what the load says, and `others`, the part of a processor others took.

    Raises `Unable` if the server can't do it.
    """
    best = None
    for _ in range(plan.attempts):
        machine.wait_until_quiet(plan.patience)
        result = attempt(server, scenario, plan)
        if best is None or result["others"] < best["others"]:
            best = result
        if best["others"] <= machine.TOLERATED:
            break
    return best


def attempt(server: Server, scenario: Scenario, plan: Plan) -> dict:
    both = {SERVER_PROCESSOR, LOAD_PROCESSOR}
    server_on = both if scenario.shares_processors else {SERVER_PROCESSOR}
    load_on = both if scenario.shares_processors else {LOAD_PROCESSOR}
    with running(server, scenario, server_on) as up:
        disturbance = machine.Disturbance(lambda: up.cpu_seconds() + machine.own_seconds())
        disturbance.start()
        if scenario.weighs_memory:
            result = weigh(up, scenario, load_on)
        else:
            result = ask(server, up, scenario, plan, load_on)
        result["others"] = disturbance.stop()
        return result


def ask(server: Server, up: Running, scenario: Scenario, plan: Plan, processors: set[int]) -> dict:
    command = [LOAD, up.address, *scenario.load_arguments(), "--seconds", str(plan.seconds)]
    command += ["--warm-up", str(plan.warm_up_for(scenario)), "--server", ",".join(map(str, up.processes))]
    if server.name == "limit":
        command += ["--any-body"]
    result = json.loads(output_of(command, processors, plan.seconds + 60))
    if result["requests"] == 0:
        raise Unable(f"no answers: {told(result['errors'])}")
    return result


def weigh(up: Running, scenario: Scenario, processors: set[int]) -> dict:
    """How much memory the server has for each idle connection."""
    # What the first connections make it allocate once is not what a connection costs.
    warm_up = [LOAD, up.address, scenario.work, "--seconds", "0.3", "--warm-up", "0"]
    output_of(warm_up, processors, 30)
    time.sleep(0.2)
    before = up.anonymous_kib()
    hold = [LOAD, up.address, scenario.work, "--idle", str(scenario.idle), "--hold"]
    with subprocess.Popen(hold, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        held = holder.stdout.readline()
        after = up.anonymous_kib()
        left, _ = holder.communicate("\n", timeout=30)
    if holder.returncode != 0 or int(left) != scenario.idle:
        raise Unable(f"of {scenario.idle} idle connections it has closed or not answered some: {held.strip() or 'no answer'}")
    return {"kib_each": (after - before) / scenario.idle, "kib_before": before}


def output_of(command: list, processors: set[int], timeout: float) -> str:
    pin = lambda: os.sched_setaffinity(0, processors)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, preexec_fn=pin)
    except subprocess.TimeoutExpired:
        raise Unable("it hangs") from None
    if done.returncode != 0:
        raise Unable(done.stderr.strip().splitlines()[-1])
    return done.stdout


def told(errors: dict) -> str:
    """Errors as text; empty if there are none."""
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in errors.items() if count)
