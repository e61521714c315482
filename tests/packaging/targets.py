#!/usr/bin/env python3
"""Checks what a project that has bight as a subproject builds of it, and what it installs.

usage: targets.py BUILD_DIRECTORY library|everything

"library": the library alone, and the simulation only because the project uses it. "everything": the tests, the samples and
the tools, too, which were asked for.
"""
import json
import pathlib
import subprocess
import sys


def introspect(build, what):
    return json.loads(subprocess.run(["meson", "introspect", build, f"--{what}"], check=True, capture_output=True).stdout)


def main():
    build, expected = sys.argv[1:]
    targets = [t for t in introspect(build, "targets") if t["subproject"] == "bight"]
    wrong = []
    if expected == "library":
        library = {("bight", "static library"), ("bight-sim", "static library"), ("trace_page_files", "custom")}
        wrong += [f"{t['name']}, {t['type']}, is a target" for t in targets if (t["name"], t["type"]) not in library]
        wrong += [f"{t['name']} is built, used or not" for t in targets if t["build_by_default"] and t["name"] != "bight"]
        installed = {pathlib.Path(path).name for path in introspect(build, "installed")}
        wrong += [f"{name} would be installed" for name in installed - {"libbight.a", "bight", "bight.pc"}]
    else:
        programs = {t["name"] for t in targets if t["type"] == "executable"}
        wrong += [f"{name} was asked for, and is no target" for name in {"bight", "echo", "net_tests"} - programs]
    for line in wrong:
        print(f"{expected}: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
