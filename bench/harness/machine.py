"""Other load on the machine: a run counts only if nothing else used the processors meanwhile."""

import os
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
# How much of one processor may be busy with other things, before and during a run.
TOLERATED = 0.06


def busy_seconds() -> float:
    """Returns how long the processors have been busy, including time that the hypervisor took."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen = map(int, fields[:8])
    return (user + nice + system + interrupts + soft_interrupts + stolen) / TICKS


def wait_until_quiet(patience: float) -> None:
    """Waits until the processors are idle, but no longer than `patience` seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before, start = busy_seconds(), time.monotonic()
        time.sleep(0.25)
        if (busy_seconds() - before) / (time.monotonic() - start) <= TOLERATED:
            return


class Disturbance:
    """Returns how much of a processor others used between `start` and `stop`."""

    def __init__(self, own_seconds) -> None:
        # The processor time of the server, the load and this program so far.
        self.own_seconds = own_seconds

    def start(self) -> None:
        self.since, self.busy, self.own = time.monotonic(), busy_seconds(), self.own_seconds()

    def stop(self) -> float:
        elapsed = time.monotonic() - self.since
        others = (busy_seconds() - self.busy) - (self.own_seconds() - self.own)
        return max(0.0, others / elapsed)


def own_seconds() -> float:
    """Returns the processor time of this program and of the children it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
