#!/usr/bin/env python3
"""Autobahn's cases for servers of WebSockets, and a few of ours, against a server that echoes every message.

    run_websocket.py URL [--only REGEX] [--messages N] [--jobs N] [--compression] [-v]
    run_websocket.py --self-test [--messages N]

The server must take messages of 16 MiB and of 65,536 fragments. Needs Python 3.11 and its standard library only. Exits with
1 if a case fails; with --compression also if permessage-deflate is declined.

--self-test runs the cases against `websocket_server.py`: all must pass, and with each mistake that is planted there those
cases must fail that are about it."""

import argparse
import concurrent.futures
import contextlib
import re
import subprocess
import sys
import time
import traceback

from websocket_cases import Run, Unimplemented, all_cases
from websocket_client import Wrong

# These send much: one at a time.
HEAVY = re.compile(r"9|1[0-3]\.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", metavar="URL", help="such as ws://127.0.0.1:9001/echo")
    parser.add_argument("--only", metavar="REGEX", help="cases whose number begins like this")
    parser.add_argument("--known", default="", metavar="NUMBERS", help="cases that this server fails on purpose")
    parser.add_argument("--messages", type=int, default=1000, metavar="N", help="in 9.7, 9.8, 12 and 13; Autobahn's is 1000")
    parser.add_argument("--patience", type=float, default=20, metavar="SECONDS", help="for anything to come")
    parser.add_argument("--jobs", type=int, default=8, metavar="N")
    parser.add_argument("--compression", action="store_true", help="it must be accepted")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("-v", action="store_true", help="prints what has passed, too")
    wish = parser.parse_args()
    if wish.self_test:
        sys.exit(self_test(wish))
    if not wish.url:
        parser.error("a URL is needed")
    sys.exit(report(run(wish.url, wish), wish))


def run(url, wish, only=None):
    """Yields number, description, verdict and remark of each case."""
    only = only or wish.only
    cases = [case for case in all_cases() if not only or re.match(only, case[0])]
    light, heavy = ([case for case in cases if bool(HEAVY.match(case[0])) == is_heavy] for is_heavy in (False, True))
    common = Run(url, wish.messages, wish.patience)
    with concurrent.futures.ThreadPoolExecutor(wish.jobs) as threads:
        yield from threads.map(lambda case: judged(case, common), light)
    yield from (judged(case, common) for case in heavy)


def judged(case, common):
    number, description, function = case
    try:
        remark = function(common)
        return number, description, "PASS" if remark is None else "PERMITTED", remark or ""
    except Unimplemented:
        return number, description, "DECLINED", ""
    except Wrong as error:
        return number, description, "FAIL", str(error)
    except OSError as error:
        return number, description, "FAIL", f"the server is not there: {error}"
    except Exception:
        return number, description, "FAIL", traceback.format_exc()


def report(results, wish):
    began = time.monotonic()
    counts = dict.fromkeys(("PASS", "PERMITTED", "DECLINED", "KNOWN", "FAIL"), 0)
    for number, description, verdict, remark in results:
        if verdict == "FAIL" and number in wish.known.split():
            verdict = "KNOWN"
        counts[verdict] += 1
        if verdict != "PASS" or wish.v:
            print(f"{verdict:9} {number:8} {description[:90]}{': ' * bool(remark)}{remark}", flush=True)
    failed = counts["FAIL"] + counts["DECLINED"] * wish.compression
    print(f"in {time.monotonic() - began:.0f} s: {counts['PERMITTED']} otherwise than is best, {counts['DECLINED']} declined, "
          f"{counts['KNOWN']} known to fail")
    print(f"{counts['PASS'] + counts['PERMITTED']} passed, {failed} failed")
    return 1 if failed or not counts["PASS"] else 0


# Each mistake that can be planted, and cases that must fail then.
MISTAKES = {
    "unmasked": "0.2.1 0.2.2",
    "utf-8-of-fragments": "6.3.2 6.4.1",
    "reserved-bits": "3.1 3.2 3.7",
    "late-pongs": "5.6 5.19",
    "empty-pongs": "2.2 2.10",
    "any-code": "7.9.4 7.9.1",
    "another-code": "7.7.2 7.7.13",
    "fragmented-control": "5.1",
    "long-control": "2.5",
    "lone-continuation": "5.9 5.17",
    "pong-after-close": "7.1.3",
    "no-close": "7.1.1 1.1.1",
    "masked-answers": "1.1.1",
    "cut-at-64k": "1.1.7 9.1.1",
    "window-kept": "13.2.4",
    "large-window": "13.3.8",
    "no-utf-8-when-compressed": "0.5.5",
}


def self_test(wish):
    wish.compression = True
    with planted() as url:
        if report(run(url, wish, only=None if wish.messages > 100 else r"(?!9\.[1-4]|12\.)"), wish):
            print("the server without a mistake does not pass")
            return 1
    # What does not come at once does not come at all.
    wish.patience = 2
    missed = 0
    for mistake, cases in MISTAKES.items():
        expected = cases.split()
        with planted(mistake) as url:
            failed = {number for number, _, verdict, _ in run(url, wish, "|".join(f"{re.escape(case)}$" for case in expected))
                      if verdict == "FAIL"}
        is_found = failed == set(expected)
        missed += not is_found
        print(f"{'found ' if is_found else 'MISSED'} {mistake}: {', '.join(sorted(failed)) or 'nothing'} failed")
    print(f"{len(MISTAKES) - missed} passed, {missed} failed")
    return 1 if missed else 0


@contextlib.contextmanager
def planted(*mistakes):
    program = __file__.replace("run_websocket.py", "websocket_server.py")
    process = subprocess.Popen([sys.executable, program, *mistakes], stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    main()
