"""The versions, the machine and the time of a measurement."""

import platform
import subprocess
import tomllib
from datetime import datetime, timezone
from pathlib import Path

from .servers import BENCH, Server


def versions(servers: list[Server]) -> dict[str, str]:
    locked = tomllib.loads((BENCH / "Cargo.lock").read_text())["package"]
    by_crate = {package["name"]: package["version"] for package in locked}
    found = {server.name: by_crate[server.crate] for server in servers if server.crate in by_crate}
    if "hansel" in found:
        found["hansel"] += f" ({said(['git', 'describe', '--always', '--dirty', '--abbrev=10'])})"
    for server in servers:
        if server.name == "nginx" and server.binary.exists():
            # nginx prints it on the standard error: "nginx version: nginx/1.22.1".
            told = subprocess.run([server.binary, "-v"], capture_output=True, text=True).stderr
            found["nginx"] = told.strip().rsplit("/", 1)[-1]
    return found


def machine() -> dict[str, str]:
    text = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in text if line.startswith("model name")]
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "processors": f"{len(models)} x {models[0]}" if models else platform.machine(),
        "kernel": platform.release(),
        "rustc": said(["rustc", "--version"]),
    }


def said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, cwd=BENCH).stdout.strip()
