"""All servers of one scenario, up at the same time and measured in turn."""

import json
import os
import random
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass

from . import machine
from .scenarios import Scenario
from .servers import LOAD_PROCESSOR, SERVER_PROCESSOR, TARGET, Running, Server, Unable, running

LOAD = TARGET / "release" / "bench-load"


@dataclass(frozen=True)
class Plan:
    """How long, how often and how patiently to measure."""

    seconds: float
    rounds: int
    # How long to wait for an idle machine before a round.
    patience: float

    def rounds_of(self, scenario: Scenario) -> int:
        return max(1, round(self.rounds * scenario.share_of_rounds))

    def seconds_of(self, scenario: Scenario) -> float:
        return max(self.seconds, scenario.least_seconds)


class Field:
    """The servers of a scenario. Each stays up until the end, and sleeps while others are measured."""

    def __init__(self, scenario: Scenario, plan: Plan) -> None:
        self.scenario, self.plan = scenario, plan
        both = {SERVER_PROCESSOR, LOAD_PROCESSOR}
        self.server_on = both if scenario.shares_processors else {SERVER_PROCESSOR}
        self.load_on = both if scenario.shares_processors else {LOAD_PROCESSOR}

    def rounds(self, servers: list[Server]):
        """Yields, for each round and server, the number of the round, the server and its result, or why it has none.

        Whatever changes on the machine changes for all servers of a round, so that a ratio within one is steadier
        than any figure. Their order is another each time, so that nobody always follows the same one.
        """
        with ExitStack() as stack:
            up: dict[str, Running] = {}
            for number in range(self.plan.rounds_of(self.scenario)):
                machine.wait_until_quiet(self.plan.patience)
                for server in random.sample(servers, len(servers)):
                    try:
                        # Memory is measured in a process that has done nothing else.
                        if server.name not in up or not up[server.name].is_up() or self.scenario.weighs_memory:
                            up[server.name] = stack.enter_context(running(server, self.scenario, self.server_on))
                        outcome = self.result(server, up[server.name]) | {"round": number}
                    except (Unable, OSError) as error:
                        outcome = str(error)
                    yield number, server, outcome

    def result(self, server: Server, up: Running) -> dict:
        """Returns the result of the load, and `others`: the part of a processor that others used."""
        disturbance = machine.Disturbance(lambda: up.cpu_seconds() + machine.own_seconds())
        disturbance.start()
        result = self.weigh(up) if self.scenario.weighs_memory else self.ask(server, up)
        result["others"] = disturbance.stop()
        return result

    def ask(self, server: Server, up: Running) -> dict:
        scenario, seconds = self.scenario, self.plan.seconds_of(self.scenario)
        command = [LOAD, up.address, *scenario.load_arguments(), "--seconds", str(seconds)]
        command += ["--warm-up", str(scenario.warm_up), "--server", ",".join(map(str, up.processes))]
        if server.name == "limit":
            command += ["--any-body"]
        result = json.loads(output_of(command, self.load_on, seconds + 60))
        if result["requests"] == 0:
            raise Unable(f"no answers: {told(result['errors'])}")
        return result

    def weigh(self, up: Running) -> dict:
        """Returns how much memory the server uses for each idle connection."""
        # What is allocated once for the first connections is not the cost of a connection.
        warm_up = [LOAD, up.address, self.scenario.work, "--seconds", "0.3", "--warm-up", "0"]
        output_of(warm_up, self.load_on, 30)
        time.sleep(0.2)
        before = up.anonymous_kib()
        idle = self.scenario.idle
        hold = [LOAD, up.address, self.scenario.work, "--idle", str(idle), "--hold"]
        with subprocess.Popen(hold, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            held = holder.stdout.readline()
            after = up.anonymous_kib()
            left, _ = holder.communicate("\n", timeout=30)
        if holder.returncode != 0 or int(left) != idle:
            raise Unable(f"of {idle} idle connections it has closed or not answered some: {held.strip() or 'no answer'}")
        return {"kib_each": (after - before) / idle, "kib_before": before}


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
    """Returns the errors as text; empty if there are none."""
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in errors.items() if count)
