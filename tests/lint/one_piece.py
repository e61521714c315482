#!/usr/bin/env python3
"""Checks that the library compiles in one piece: a name in an unnamed namespace of one file must not stand for
another thing in another file, because unity builds (-Dunity=on) compile many files together, and which ones changes
with every new file.

usage: one_piece.py SOURCES COMPILER [ARGUMENT...]

SOURCES is the folder lib/. Nothing is generated. The last line is a summary in the form of Catch2.
"""
import pathlib
import re
import subprocess
import sys

OF_OTHERS = re.compile(r"(bsd_sockets|cares_message|core_foundation|kqueue|kqueue_\w+|afd|iocp|iocp_\w+|wfmo|wfmo_\w+|no_fork|"
                       r"directory_reader|no_sendfile|no_splice|windows_\w+)\.cpp$")


def main():
    sources, command = pathlib.Path(sys.argv[1]), sys.argv[2:]
    # What is of other systems is left out.
    files = sorted(f for f in sources.glob("*/*.cpp") if not OF_OTHERS.match(f.name))
    text = "".join(f'#include "{file}"\n' for file in files)
    result = subprocess.run(command + ["-std=c++20", "-fsyntax-only", "-x", "c++", "-"], input=text, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    if len(files) < 50 or result.returncode != 0:
        print(result.stdout)
        print("test cases: 1 | 1 failed")
        return 1
    print("All tests passed (1 assertion in 1 test case)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
