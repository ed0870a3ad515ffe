"""A server as a process: started, observed from outside, and ended in order."""

import contextlib
import os
import signal
import subprocess
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PATIENCE = 60


def built(name="clients", features=""):
    """Builds `clients/server.rs` or another example for release, and returns the program."""
    command = ["cargo", "build", "--locked", "--release", "-p", "hansel", "--example", name, "--features", features]
    subprocess.run(command, check=True, cwd=ROOT)
    return os.path.join(ROOT, "target/release/examples", name)


@contextlib.contextmanager
def serving(program, *arguments, environment=None, processors=None):
    """A server that prints its address first: the process, and its port. It must end in order when it is
    told to. If processors are named, it runs on no other (Linux)."""
    command = [program, *arguments]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **(environment or {})},
        preexec_fn=(lambda: os.sched_setaffinity(0, processors)) if processors else None,
    )
    try:
        address = process.stdout.readline().strip()
        if not address:
            raise SystemExit(f"{command} has not said where it listens")
        yield process, urllib.parse.urlsplit(address).port
        process.send_signal(signal.SIGTERM)
        status = process.wait(PATIENCE)
        if status != 0:
            raise SystemExit(f"{command} has ended with status {status}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def descriptors(number):
    """Returns how many descriptors a process has open (Linux)."""
    return len(os.listdir(f"/proc/{number}/fd"))


def threads(number):
    """Returns how many threads a process has (Linux)."""
    return len(os.listdir(f"/proc/{number}/task"))


def memory(number):
    """Returns how much memory of a process is resident, in KiB (Linux)."""
    with open(f"/proc/{number}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
