"""A real browser, and what every page is checked for: it fits a phone, is readable in light and dark, and loads nothing
from elsewhere. Needs Chromium; drives it by its DevTools protocol over a pipe.
"""

import argparse
import base64
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PATIENCE = 60  # seconds for anything to happen at all


class Browser:
    """A browser with one page, by commands over a pipe: JSON, ended by NUL."""

    def __init__(self, profile):
        program = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
        if program is None:
            sys.exit("there is no Chromium here (.ci/install installs it)")
        to_browser, self.commands = os.pipe()
        self.events, from_browser = os.pipe()
        # The protocol uses the descriptors 3 and 4.
        script = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
        options = ["--headless", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}",
                   "--remote-debugging-pipe", "about:blank"]
        if os.geteuid() == 0:
            options.insert(0, "--no-sandbox")
        self.process = subprocess.Popen(["bash", "-c", script, program, *options], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, pass_fds=[to_browser, from_browser])
        os.close(to_browser)
        os.close(from_browser)
        self.received, self.number, self.seen, self.session = bytearray(), 0, [], None
        target = next(t for t in self.ask("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ["Page", "Network", "Runtime", "Log"]:
            self.ask(f"{domain}.enable")

    def message(self):
        # The end is looked for in what is new only: a message about an upload has its body.
        searched = 0
        while (end := self.received.find(b"\0", searched)) < 0:
            searched = len(self.received)
            part = os.read(self.events, 1 << 20)
            if not part:
                sys.exit("the browser has gone")
            self.received += part
        message = json.loads(self.received[:end])
        del self.received[: end + 1]
        return message

    def ask(self, method, **parameters):
        self.number += 1
        command = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        while True:
            message = self.message()
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.seen.append(message)

    def wait(self, event):
        while not any(message.get("method") == event for message in self.seen):
            self.seen.append(self.message())

    def open(self, url):
        self.seen.clear()
        self.ask("Page.navigate", url=url)
        self.wait("Page.loadEventFired")

    def js(self, expression):
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def of(self, event):
        return [message["params"] for message in self.seen if message.get("method") == event]

    def size(self, width, height):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                 mobile=width < 500)

    def colours(self, scheme):
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path):
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]))


# The lowest contrast of any text with its background (WCAG 2.2, 1.4.3), and the text.
CONTRAST = """(() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = channels(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  let least = [21, ''];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.offsetParent) continue;
    const [a, b] = [light(channels(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < least[0]) least = [contrast, texts.currentNode.data.trim()];
  }
  return least;
})()"""


class Claims:
    """What must hold of a page. Prints a line for each claim, and keeps those that do not hold."""

    def __init__(self, folder):
        self.folder, self.failed = folder, []

    def holds(self, claim, is_so, seen=""):
        print(f"  {'ok' if is_so else 'NOT SO':6}  {claim}", flush=True)
        if not is_so:
            self.failed.append(f"{claim}: {seen}")

    def nothing_is_wrong(self, browser, name, address):
        """What the open page has loaded is from its own server, and the browser has found no fault."""
        asked = {request["request"]["url"] for request in browser.of("Network.requestWillBeSent")}
        foreign = {url for url in asked if not url.startswith((address + "/", "data:", "about:"))}
        self.holds(f"{name}: nothing comes from elsewhere", not foreign, foreign)
        faults = [entry["entry"]["text"] for entry in browser.of("Log.entryAdded")]
        faults = [text for text in faults if "the server responded with a status of" not in text]
        faults += [str(thrown["exceptionDetails"]) for thrown in browser.of("Runtime.exceptionThrown")]
        self.holds(f"{name}: the browser has no complaints", not faults, faults)

    def it_looks_right(self, browser, name, wide=1100, narrow=360):
        """The open page is readable and fits, in light and dark, wide and narrow."""
        for scheme in ["light", "dark"]:
            browser.colours(scheme)
            contrast, where = browser.js(CONTRAST)
            self.holds(f"{name}: {scheme}, everything can be read", contrast >= 4.5, f"{contrast:.2f} at {where!r}")
            for device, width in [("desk", wide), ("phone", narrow)]:
                browser.size(width, 900)
                needed = browser.js("document.documentElement.scrollWidth")
                self.holds(f"{name}: {scheme}, fits a {device}", needed <= width, f"{needed} of {width}")
                if self.folder:
                    height = browser.js("document.documentElement.scrollHeight")
                    browser.size(width, min(height, 9000))
                    browser.picture(self.folder / f"{name}-{scheme}-{device}.png")
            browser.size(wide, 900)


def built(target, *arguments):
    """Builds a target of the workspace, and returns the program."""
    built = subprocess.run(["cargo", "build", "--locked", "--quiet", *arguments, "--message-format", "json"],
                           cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    built = [json.loads(line) for line in built.stdout.splitlines()]
    return next(line["executable"] for line in built if line.get("target", {}).get("name") == target
                and line.get("executable"))


@contextlib.contextmanager
def browsing(command):
    """Starts a server by what `command` returns for a port, and a browser: that, and the server's address. The browser can
    be told to `restart_server`, which kills the server and starts it again at the same address.
    """
    port = free_port()
    servers = []

    def start():
        servers.append(subprocess.Popen(command(port), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        until_it_listens(servers[-1], port)

    def stop():
        for server in servers:
            server.kill()
            server.wait()

    def restart():
        stop()
        start()

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = None
        try:
            start()
            browser = Browser(profile)
            browser.restart_server = restart
            yield browser, f"http://127.0.0.1:{port}"
        finally:
            if browser:
                browser.process.kill()
                browser.process.wait()
            stop()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until_it_listens(server, port):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit("the server does not start")


def finish(claims):
    """Ends the program: with 1 if a claim does not hold."""
    for failure in claims.failed:
        print(f"NOT SO: {failure}", file=sys.stderr)
    sys.exit(1 if claims.failed else 0)


def folder_for_pictures(about):
    """Parses the command line."""
    arguments = argparse.ArgumentParser(description=about)
    arguments.add_argument("--keep", type=pathlib.Path, metavar="FOLDER", help="keep screenshots there")
    folder = arguments.parse_args().keep
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    return folder
