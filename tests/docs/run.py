#!/usr/bin/env python3
"""Runs the program of a page that ends by itself, in an empty folder.

usage: run.py DOCS_PROGRAMS PAGE [STATUS TEXT]

It must exit with STATUS (by default 0), and print TEXT. The last line of the output is a summary in the form of Catch2.
"""
import pathlib
import subprocess
import sys
import tempfile


def main():
    program, page, *more = sys.argv[1:]
    status, text = (int(more[0]), more[1]) if more else (0, "")
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run([pathlib.Path(program).resolve(), page], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, errors="replace")
    if result.returncode != status or text not in result.stdout:
        print(f"{page}: ended with {result.returncode}, not {status}, or did not print {text!r}, but this:")
        print(result.stdout)
        print("test cases: 1 | 1 failed")
        return 1
    print("All tests passed (1 assertion in 1 test case)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
