#!/usr/bin/env python3
"""Checks docs/guarantees: every name that the public headers offer (public_names.py) has a row, every name in a row is
offered, and each test that a row names exists.

usage: guarantees.py ROOT

A table whose first column is `name` has the columns of docs/guarantees.md. The names of a row stand in backticks in its
first cell; behind a class, or a member of it, come more of its members: `stream::close`, `abort`. A test is `ROOM/SUBJECT`
"test case", `compile_fail/NAME` or `lint/NAME`. A row names one in its last cell, unless its second begins with "No promise".
The last line is a summary in the form of Catch2.
"""
import pathlib
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import public_names  # noqa: E402

COLUMNS = ["name", "bight guarantees", "the caller sees to", "cancelled", "thread", "held by"]
TEST = re.compile(r'`([a-z_]+)/([a-z_0-9]+)`(?:\s+"([^"]*)")?')
CASE = re.compile(r'TEST_CASE\(\s*"((?:[^"\\]|\\.|"\s*")*)"')
# 'ROOM': ['SUBJECT', …], or 'ROOM': tests_by_room['ROOM'] + ['SUBJECT', …]
LISTS = re.compile(r"'(\w+)':\s*(?:tests_by_room\['\w+'\]\s*\+\s*)?\[([^\]]*)\]")
ROOMS = {path.name for path in pathlib.Path(__file__).parent.parent.iterdir() if path.is_dir()}


def cells_of(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


class Tests:
    """The tests of the project."""

    def __init__(self, tests):
        self.tests, self.cases = tests, {}
        self.listed = {(room, subject)
                       for room, subjects in LISTS.findall((tests / "meson.build").read_text())
                       for subject in re.findall(r"'(\w+)'", subjects)}
        self.mistakes = re.findall(r"^\s+'(\w+)',$", (tests / "compile_fail/meson.build").read_text(), re.MULTILINE)

        self.lints = [name for build in tests.glob("*/meson.build")
                      for name in re.findall(r"^test\('lint' / '(\w+)'", build.read_text(), re.MULTILINE)]

    def missing(self, room, subject, case):
        """Why this is no test; None when it is one."""
        if room == "compile_fail":
            return None if subject in self.mistakes else "tests/compile_fail/meson.build has no such mistake"
        if room == "lint":
            return None if subject in self.lints else f"there is no test lint/{subject}"
        source = self.tests / room / f"{subject}_test.cpp"
        if not source.exists():
            return f"there is no tests/{room}/{source.name}"
        if (room, subject) not in self.listed:
            return f"tests/meson.build does not list {room}/{subject}"
        if not case:  # the whole file
            return None
        if source not in self.cases:
            self.cases[source] = {re.sub(r'"\s*"', "", found) for found in CASE.findall(source.read_text(encoding="utf-8"))}
        if case not in self.cases[source]:
            return f'tests/{room}/{source.name} has no test case "{case}"'
        return None


def meant(cell, offered, details):
    """The offered names that the first cell of a row has, and what in it is none, nor a detail of one, nor a macro."""
    found, unknown, around = set(), [], ""
    for name in re.findall(r"`([^`]+)`", cell):
        chosen = next((choice for choice in (f"{around}::{name}", name) if choice in offered or choice in details), None)
        if chosen is None:
            if not name.isupper():
                unknown.append(name)
            continue
        found.add(chosen)
        parent = chosen.rpartition("::")[0]
        around = parent if parent in offered else chosen
    return found, unknown


def check(root):
    """(mistakes, number of rows)."""
    offered = public_names.public_names(root / "include/bight")
    details = public_names.details(root / "include/bight")
    tests = Tests(root / "tests")
    mistakes, described, rows = [], set(), 0
    for page in [root / "docs/guarantees.md", *sorted((root / "docs/guarantees").glob("*.md"))]:
        header = None
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            where = f"{page.relative_to(root)}:{number}"
            for room, subject, case in TEST.findall(line):
                why = tests.missing(room, subject, case) if room in ROOMS else None
                if why:
                    mistakes.append(f"{where}: {why}")
            if not line.startswith("|"):
                header = None
                continue
            cells = cells_of(line)
            if header is None:
                header = cells
                if header[0] == "name" and header != COLUMNS:
                    mistakes.append(f"{where}: the columns of such a table are {' | '.join(COLUMNS)}")
                continue
            if header[0] != "name" or set(line) <= set("|- :"):
                continue
            rows += 1
            if len(cells) != len(COLUMNS):
                mistakes.append(f"{where}: a row has {len(COLUMNS)} cells, and this one {len(cells)}")
                continue
            found, unknown = meant(cells[0], offered, details)
            described |= found
            mistakes += [f"{where}: no public header offers {name}" for name in unknown]
            if not cells[1].startswith("No promise") and not TEST.search(cells[-1]):
                mistakes.append(f"{where}: names no test in its last cell")
    mistakes += [f"include/bight/{header}: {name} has no row in docs/guarantees"
                 for name, header in sorted(offered.items()) if name not in described]
    return mistakes, rows


def main():
    mistakes, rows = check(pathlib.Path(sys.argv[1]).resolve())
    print("\n".join(mistakes))
    print("test cases: 1 | 1 failed" if mistakes else f"All tests passed ({rows} assertions in 1 test case)")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
