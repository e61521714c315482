#!/usr/bin/env python3
"""Whether many_connections.py works: with few connections, and where it cannot.

usage: many_connections_test.py BUILD

The last line is a summary in the form of Catch2.
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "many_connections.py"
CONNECTIONS = 400

checks = failures = 0


def check(holds, what):
    global checks, failures
    checks += 1
    if not holds:
        failures += 1
        print(f"FAILED: {what}")


def run(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)


def try_with_few(build):
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch) / "page.md"
        result = run(build, "--connections", str(CONNECTIONS), "--seconds", "1", "--period", "0.5", "--report", str(page))
        check(result.returncode == 0, f"status {result.returncode}: {result.stdout}{result.stderr}")
        for line in result.stdout.splitlines():
            if line.startswith("left out: "):
                print(line)
        held = re.findall(rf"^{CONNECTIONS} connections on (\w+), (\w+) timers(, to the sample)?: (\d+) exchanges, .* (\d+) B each",
                          result.stdout, re.M)
        check(("epoll", "with", "") in {run[:3] for run in held}, f"what was held on epoll: {held}")
        if (Path(build) / "samples" / "keepalive").exists():
            check(("epoll", "with", ", to the sample") in {run[:3] for run in held}, f"what the sample held on epoll: {held}")
        for kind, timers, sample, exchanges, size in held:
            what = f"{kind}, {timers} timers{sample}"
            check(int(exchanges) > 0, f"{what}: no exchange")
            check(100 < int(size) < 10000, f"{what}: {size} B for a connection")
        text = page.read_text() if page.exists() else ""
        for kind in {run[0] for run in held}:
            check(re.search(rf"^\| {kind} \| none \|", text, re.M), f"the page has no {kind}: {text}")
        check("1,000,000" in text, f"no calculation: {text}")


def try_without_programs():
    with tempfile.TemporaryDirectory() as empty:
        result = run(empty)
        check(result.returncode == 1 and f"there is no hold in {empty}/tests/bench" in result.stderr,
              f"status {result.returncode}: {result.stderr}")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    failed = 0
    for case in (lambda: try_with_few(sys.argv[1]), try_without_programs):
        before = failures
        case()
        failed += failures > before
    if failed:
        print(f"test cases: 2 | {2 - failed} passed | {failed} failed")
    else:
        print(f"All tests passed ({checks} assertions in 2 test cases)")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
