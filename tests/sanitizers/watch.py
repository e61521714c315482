#!/usr/bin/env python3
"""Runs a program under a tool that watches memory, on each demultiplexer.

usage: watch.py silent | reports TOOL PROGRAM [ARGUMENT...]

The tool must find nothing (silent), or report something (reports) and end the program with an error. TOOL: asan, msan or
tsan, with which the program and bight are compiled, or valgrind. The last line of the output is a summary in the form of Catch2.
"""
import os
import re
import shutil
import subprocess
import sys

DEMULTIPLEXERS = ["io_uring", "epoll", "poll", "select"]
HEADLINES = {
    "asan": r"ERROR: (Address|Leak)Sanitizer",
    "msan": r"WARNING: MemorySanitizer",
    "tsan": r"WARNING: ThreadSanitizer",
    "valgrind": r"==\d+== \w",
}
# Threads of a pool live until the process ends, and what the C library keeps for each looks possibly lost.
MEMCHECK = ["valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite",
            "--show-leak-kinds=definite"]
MISSING = 77  # of the program, when there is no such demultiplexer here
SECONDS = 200


def run(tool, command, demultiplexer):
    """The status and the output; status None: it had to be ended."""
    environment = dict(os.environ, BIGHT_REACTOR=demultiplexer)
    process = subprocess.Popen((MEMCHECK if tool == "valgrind" else []) + command, env=environment, text=True, errors="replace",
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        output, _ = process.communicate(timeout=SECONDS)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        process.kill()
        return None, process.communicate()[0]


def main():
    if len(sys.argv) < 4 or sys.argv[1] not in ("silent", "reports") or sys.argv[2] not in HEADLINES:
        sys.exit(__doc__)
    expected, tool, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    if tool == "valgrind" and not shutil.which("valgrind"):
        print("skipped 1: valgrind is not installed")
        return MISSING
    tried = 0
    for demultiplexer in DEMULTIPLEXERS:
        status, output = run(tool, command, demultiplexer)
        if status == MISSING:
            print(f"left out: {tool} on {demultiplexer}: {output.strip()}")
            continue
        tried += 1
        reported = re.search(HEADLINES[tool], output) is not None
        wrong = None
        if status is None:
            wrong = f"did not end within {SECONDS} s"
        elif expected == "silent" and (reported or status != 0):
            wrong = f"must end with 0 and without a report, and ended with {status}"
        elif expected == "reports" and (not reported or status == 0):
            wrong = f"must be reported and fail, and ended with {status}"
        if wrong:
            print(f"{' '.join(command)} under {tool} on {demultiplexer} {wrong}:\n{output}")
            print("test cases: 1 | 1 failed")
            return 1
    if tried == 0:
        print("skipped 1: no demultiplexer works here")
        return MISSING
    print(f"All tests passed ({tried} assertions in 1 test case)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
