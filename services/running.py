"""A service that runs, for the checks."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))

from browser import free_port, until_it_listens  # noqa: E402


class Service:
    """A service that runs in a directory of its own."""

    def __init__(self, program, directory, arguments=(), **environment):
        self.port, self.name = free_port(), program.name
        self.address = f"http://127.0.0.1:{self.port}"
        self.command, self.directory = [str(program), *arguments], directory
        self.environment = {"PATH": "", "LISTEN": f"127.0.0.1:{self.port}", **environment}
        self.start()

    def start(self):
        with open(self.directory / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(self.command, cwd=self.directory, env=self.environment, stdout=log, stderr=log)
        until_it_listens(self.process, self.port)

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(timeout=60)

    def most_memory(self):
        """Returns the most that it has had in memory, in bytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024

    def ask(self, method, path, body=None, headers=None):
        """Sends a request. Returns the status, the headers and the body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def send_json(self, method, path, value, headers=None):
        headers = {"Content-Type": "application/json", **(headers or {})}
        return self.ask(method, path, json.dumps(value), headers)

    def readme(self, claims):
        """Runs what the README of the service shows, and compares the output: `..` stands for anything."""
        text = (HERE / self.name / "README.md").read_text().replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")
        shown = "".join(re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
        commands = [part.split("\n", 1) for part in re.split(r"^\$ ", shown, flags=re.MULTILINE)[1:]]
        # These run already.
        commands = [(command, output) for command, output in commands
                    if "cargo run" not in command and "redis-server" not in command]
        script = "".join(f"{command}\necho '<end>'\n" for command, _ in commands)
        ran = subprocess.run(["bash", "-c", script], cwd=self.directory, capture_output=True, text=True, timeout=120)
        printed = ran.stdout.split("<end>\n")
        for command, expected in commands:
            pattern = ".*".join(map(re.escape, expected.strip().split("..")))
            holds = re.fullmatch(pattern, printed.pop(0).strip(), re.DOTALL) is not None
            claims.holds(f"README: {command[:90]}", holds, ran.stdout + ran.stderr)


def build(*arguments, **environment):
    """Builds services, and returns the directory of all targets."""
    manifest = ["--manifest-path", str(HERE / "Cargo.toml")]
    command = ["cargo", "build", "--locked", "--quiet", *manifest, *arguments]
    subprocess.run(command, check=True, env={**os.environ, **environment})
    metadata = subprocess.run(["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1", *manifest],
                              check=True, stdout=subprocess.PIPE)
    return pathlib.Path(json.loads(metadata.stdout)["target_directory"])
