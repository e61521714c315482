#!/usr/bin/env python3
"""Runs a program of libFuzzer for a number of inputs, which is the same amount of work each time, with a fixed seed.

usage: run.py RUNS PROGRAM CORPUS

What it finds new goes nowhere; to let it grow the corpus, call PROGRAM CORPUS by itself. The last line is a summary in the
form of Catch2.
"""
import pathlib
import subprocess
import sys
import tempfile


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    runs, program, corpus = sys.argv[1:]
    inputs = sorted(pathlib.Path(corpus).iterdir())
    if not inputs:
        sys.exit(f"run.py: {corpus} has no inputs")
    with tempfile.TemporaryDirectory() as new:
        found = subprocess.run([program, f"-runs={runs}", "-seed=1", "-max_len=512", "-timeout=20", "-print_final_stats=1",
                                f"-artifact_prefix={new}/", new, corpus],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if found.returncode != 0:
            sys.stdout.write(found.stdout.decode(errors="replace"))
            for artifact in pathlib.Path(new).iterdir():
                if artifact.name.startswith(("crash-", "timeout-", "oom-", "leak-")):
                    print(f"the input, as a Python literal: {artifact.read_bytes()!r}")
            print("test cases: 1 | 1 failed")
            return 1
    print(f"All tests passed ({runs} assertions in 1 test case)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
