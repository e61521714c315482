#!/usr/bin/env python3
"""Measures what noise cannot touch, and holds it against bounds.txt: instructions, allocations, system calls, bytes, lines.

usage: figures.py BUILD [NAME...]      BUILD: a release build with the benchmarks; NAME: only these

Needs valgrind and strace; a figure that cannot be had here is left out, and said so. The last line is what
tests/run.sh reads. A figure per step is the difference of a long and a short run, so beginning and ending do not count.
"""
import os
import re
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from measuring import counting  # noqa: E402
from measuring.processes import load  # noqa: E402
from measuring.setting import ROOT, Setting, Unavailable  # noqa: E402
from measuring.subjects import BIGHT_ECHO  # noqa: E402

BOUNDS = Path(__file__).resolve().parent / "bounds.txt"
ECHO_SERVER = BIGHT_ECHO[0]


def per_step(name):
    def measure(setting):
        command = [setting.program("steps"), name]
        few, many = (counting.instructions_of(command + [str(n)], ECHO_SERVER.environment) for n in (10000, 40000))
        return (many - few) / 30000
    return measure


def per_echo(count):
    return lambda setting: counting.per_echo(count, setting, ECHO_SERVER)


def idle_bytes(setting):
    return load(setting, "idle", 4000, ECHO_SERVER.path(setting), environment=ECHO_SERVER.environment)["used"]


def echo_server_lines(setting):
    text = subprocess.check_output(setting.compiler.split() + [
        "-std=c++20", "-E", "-foptimize-sibling-calls", "-DBIGHT_SIBLING_CALLS", f"-I{ROOT / 'include'}", "-x", "c++", "-"],
        input="#include <bight/bight.hpp>\n", text=True)
    lines, ours = 0, False
    for line in text.splitlines():
        mark = re.match(r'# \d+ "([^"]*)"', line)
        if mark:
            ours = mark.group(1).startswith(str(ROOT / "include"))
        elif ours and line.strip():
            lines += 1
    return lines


FIGURES = {
    "echo-instructions": per_echo(counting.instructions),
    "echo-allocations": per_echo(counting.allocations),
    "echo-system-calls": per_echo(counting.system_calls),
    "call-instructions": per_step("call"),
    "yield-instructions": per_step("yield"),
    "sleep-instructions": per_step("sleep"),
    "spawn-instructions": per_step("spawn"),
    "cancel-instructions": per_step("cancel"),
    "idle-bytes": idle_bytes,
    "echo-server-lines": echo_server_lines,
}


def read_bounds():
    bounds = {}
    for number, line in enumerate(BOUNDS.read_text().splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or words[0] not in FIGURES:
            sys.exit(f"bounds.txt:{number}: a line is the name of a figure and its bound; figures are {', '.join(FIGURES)}")
        bounds[words[0]] = float(words[1])
    missing = set(FIGURES) - set(bounds)
    if missing:
        sys.exit(f"bounds.txt: no bound for {', '.join(sorted(missing))}")
    return bounds


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    setting = Setting(Path(sys.argv[1]), rounds=1, seconds=1, compiler=os.environ.get("CXX", "g++"))
    names = sys.argv[2:]
    unknown = set(names) - set(FIGURES)
    if unknown:
        sys.exit(f"figures.py: unknown: {', '.join(sorted(unknown))}; figures are {', '.join(FIGURES)}")
    bounds = read_bounds()
    passed = failed = 0
    for name in names or FIGURES:
        try:
            value = FIGURES[name](setting)
        except Unavailable as why:
            print(f"left out: {name}: {why}")
            continue
        good = value <= bounds[name]
        print(f"{name:22} {value:10.2f}   at most {bounds[name]:g}{'' if good else '   ABOVE ITS BOUND (tests/bench/bounds.txt)'}",
              flush=True)
        passed += good
        failed += not good
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
