#!/usr/bin/env python3
"""Measures what noise cannot touch, and holds it against bounds.txt: instructions, allocations, system calls, bytes, lines.

usage: figures.py BUILD [NAME...]      BUILD: a release build with the benchmarks; NAME: only these

Needs valgrind and strace; a figure that cannot be had here is left out, and said so. The last line is what
tests/run.sh reads. A figure per step is the difference of a long and a short run, so beginning and ending do not count.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


class Unavailable(Exception):
    pass


def need(program):
    if not shutil.which(program):
        raise Unavailable(f"{program} is not installed")


def program(build, name):
    return str(Path(build) / "tests" / "bench" / name)


def end(process):
    """SIGTERM for it and its children: strace passes none on."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in [process.pid] + [int(child) for child in children]:
        os.kill(pid, signal.SIGTERM)


def serve(build, prefix, seconds):
    """Echoes under a load for so long, the server behind `prefix`; the number of echoes."""
    port = subprocess.check_output([program(build, "load"), "free-port"], text=True).strip()
    environment = dict(os.environ, BIGHT_REACTOR="epoll")
    server = subprocess.Popen(prefix + [program(build, "echo_server"), port], env=environment,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        line = subprocess.check_output([program(build, "load"), port, "64", "64", "1", str(seconds)], text=True)
    finally:
        end(server)
        said = server.communicate(timeout=60)[1]
    return int(re.search(r"total=(\d+)", line).group(1)), said


def instructions_of(command, environment=None):
    need("valgrind")
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "counts"
        subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"] + command, check=True,
                       env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return int(re.search(r"^(?:summary|totals): *(\d+)", out.read_text(), re.M).group(1))


def per_step(name):
    def measure(build):
        command = [program(build, "steps"), name]
        environment = dict(os.environ, BIGHT_REACTOR="epoll")
        few, many = (instructions_of(command + [str(n)], environment) for n in (10000, 40000))
        return (many - few) / 30000
    return measure


def per_echo(count):
    def measure(build):
        (few, first), (many, second) = (count(build, seconds) for seconds in (1, 3))
        return (second - first) / (many - few)
    return measure


def echo_instructions(build, seconds):
    need("valgrind")
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "counts"
        echoes, _ = serve(build, ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"], seconds)
        return echoes, int(re.search(r"^(?:summary|totals): *(\d+)", out.read_text(), re.M).group(1))


def echo_allocations(build, seconds):
    need("valgrind")
    echoes, said = serve(build, ["valgrind", "--tool=memcheck", "--leak-check=no"], seconds)
    return echoes, int(re.search(r"total heap usage: ([\d,]+) allocs", said).group(1).replace(",", ""))


def echo_system_calls(build, seconds):
    need("strace")
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "calls"
        echoes, said = serve(build, ["strace", "-f", "-c", "-o", str(out)], seconds)
        total = re.search(r"^\s*100\.00\s+\S+\s+(?:\S+\s+)?(\d+)\s+(?:\d+\s+)?total$", out.read_text(), re.M)
        if not total:
            raise Unavailable(f"strace counted nothing here: {said.strip()[:200]}")
        return echoes, int(total.group(1))


def idle_bytes(build):
    environment = dict(os.environ, BIGHT_REACTOR="epoll")
    line = subprocess.check_output([program(build, "idle"), "4000", program(build, "echo_server")], text=True,
                                   env=environment)
    return float(re.search(r"used=(\d+)", line).group(1))


def echo_server_lines(build):
    del build
    compiler = os.environ.get("CXX", "g++").split()
    text = subprocess.check_output(compiler + ["-std=c++20", "-E", "-foptimize-sibling-calls", "-DBIGHT_SIBLING_CALLS",
                                               f"-I{ROOT / 'include'}", "-x", "c++", "-"],
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
    "echo-instructions": per_echo(echo_instructions),
    "echo-allocations": per_echo(echo_allocations),
    "echo-system-calls": per_echo(echo_system_calls),
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
    for number, line in enumerate((HERE / "bounds.txt").read_text().splitlines(), 1):
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
    build, names = sys.argv[1], sys.argv[2:]
    unknown = set(names) - set(FIGURES)
    if unknown:
        sys.exit(f"figures.py: unknown: {', '.join(sorted(unknown))}; figures are {', '.join(FIGURES)}")
    bounds = read_bounds()
    passed = failed = 0
    for name in names or FIGURES:
        try:
            value = FIGURES[name](build)
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
