#!/usr/bin/env python3
"""The cases of `run_websocket.py` against other servers: Python's websockets, and Node's ws where Node and npm are there.

    conformance/websocket_peers.py [OPTION...]

Options go to run_websocket.py. They must pass: a case in which both of them fail is wrong itself."""

import contextlib
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = HERE.parent / "target/tools"
# The versions that were tried.
FOR_PYTHON, FOR_NODE = "websockets==17.4", "ws@8.23.0"

PYTHON = """
import asyncio, logging, os, sys
sys.path.append(sys.argv[1])
os.environ["WEBSOCKETS_MAX_FRAGMENTS"] = "100000"
logging.disable()
from websockets.asyncio.server import serve

async def echo(socket):
    async for message in socket:
        await socket.send(message)

async def main():
    async with serve(echo, "127.0.0.1", 0, max_size=None, ping_interval=None) as server:
        print(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
        await server.serve_forever()

asyncio.run(main())
"""

NODE = """
const { WebSocketServer } = require("ws");
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: true, maxPayload: 1 << 25, maxFragments: 1e5 });
server.on("listening", () => console.log(`ws://127.0.0.1:${server.address().port}/`));
server.on("connection", socket => {
    socket.on("error", () => {});
    socket.on("message", (message, isBinary) => socket.send(message, { binary: isBinary }));
});
"""


def main():
    # It calls a close frame between two fragments a protocol error.
    statuses = [against("Python's websockets", [sys.executable, "-c", PYTHON, for_python()], "--known", "7.1.5")]
    if shutil.which("node") and shutil.which("npm"):
        statuses.append(against("Node's ws", ["node", "-e", NODE], cwd=for_node()))
    else:
        print("(no Node here)")
    sys.exit(max(statuses))


def against(name, command, *arguments, **options):
    print(f"{name}:", flush=True)
    with peer(command, **options) as url:
        run = [sys.executable, HERE / "run_websocket.py", url, *arguments, *sys.argv[1:]]
        return subprocess.run(run, check=False).returncode


@contextlib.contextmanager
def peer(command, **options):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def for_python():
    folder = TOOLS / "websockets"
    if not (folder / "websockets").exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--root-user-action", "ignore", "--no-deps"]
        subprocess.run([*command, "--target", folder, FOR_PYTHON], check=True)
    return folder


def for_node():
    folder = TOOLS / "ws"
    if not (folder / "node_modules/ws").exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--silent", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", FOR_NODE]
        subprocess.run(command, check=True, cwd=folder)
    return folder


if __name__ == "__main__":
    main()
