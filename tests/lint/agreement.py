#!/usr/bin/env python3
"""Checks that README, CONTRIBUTING, the build files and the scripts say the same of compilers, of what must be installed,
and of the rooms.

usage: agreement.py ROOT

The last line is a summary in the form of Catch2.
"""
import pathlib
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import layers  # noqa: E402

# What is said, and where: each pattern has the groups that all of them agree on. In text, any white space is a space.
SAID = {
    "the oldest g++ and clang": {
        "README.md": r"g\+\+ (\d+) or later, clang (\d+) or later",
        "CONTRIBUTING.md": r"g\+\+ (\d+) or later, or clang (\d+) or later",
        "meson.build": r"compilers = \{'gcc': '(\d+)', 'clang': '(\d+)'\}",
        ".ci/compilers.sh": r"oldest_gxx=(\d+) oldest_clang=(\d+)",
    },
    "the g++ and clang of the tests": {
        "README.md": r"tested with g\+\+ (\d+) and clang (\d+)",
        "CONTRIBUTING.md": r"tested with g\+\+ (\d+) and clang (\d+)",
        ".ci/compilers.sh": r"gxx_names='g\+\+-(\d+) .*?clang_names='clang\+\+-(\d+) ",
        "tests/run.sh": r"'g\+\+ (\d+)\.'\* \| 'clang (\d+)\.'\*\) echo true",
    },
    "g++ and clang without warnings": {
        "CONTRIBUTING.md": r"No warnings with .* from g\+\+ (\d+) and clang (\d+);",
        "tests/run.sh": r"'g\+\+ (\d+)\.'\* \| 'clang (\d+)\.'\*\) echo true",
    },
    "Meson": {"meson.build": r"meson_version: '>=([\d.]+)'", "CONTRIBUTING.md": r"Meson ([\d.]+), Ninja"},
    "liburing": {
        "meson.build": r"dependency\('liburing', version: '>=([\d.]+)'",
        "meson_options.txt": r"liburing ([\d.]+) or later",
        "CONTRIBUTING.md": r"liburing ([\d.]+) with its headers",
    },
    "Catch2": {
        "meson.build": r"dependency\('catch2', version: '>=([\d.]+)'",
        "meson_options.txt": r"Catch2 ([\d.]+) or later",
        "CONTRIBUTING.md": r"Catch2, ([\d.]+) or",
        "tests/run.sh": r"catch2 >= ([\d.]+)'",
    },
    "the rooms that TSan looks at": {
        "tests/run.sh": r"rooms_with_threads='([^']*)'",
        "CONTRIBUTING.md": r"TSan on the rooms with threads: ((?:`[\w/]+`(?:, | and )?)+)",
    },
}


def words_of(found):
    """The groups of a match; of a list its words."""
    return tuple(" ".join(re.findall(r"\b(?!and\b)[\w.]+(?:/\w+)?", group)) for group in found.groups())


def check(root):
    """What is wrong, a line each, and how many things were compared."""
    wrong, compared = [], 0
    for what, places in SAID.items():
        said = {}
        for file, pattern in places.items():
            found = re.search(pattern, re.sub(r"\s+", " ", (root / file).read_text(encoding="utf-8")))
            if found is None:
                wrong.append(f"{file}: says nothing of {what} as /{pattern}/ would find it")
            else:
                said[file] = words_of(found)
                compared += 1
        if len(set(said.values())) > 1:
            wrong.append(f"{what}: " + "; ".join(f"{file} says {' and '.join(words)}" for file, words in said.items()))

    page = (root / "docs/design/layers.md").read_text(encoding="utf-8")
    rooms = re.findall(r"^\| `(\w+)`", page, re.MULTILINE)
    compared += 1
    if rooms != layers.ROOMS:
        wrong.append(f"docs/design/layers.md has the rooms {rooms}, tests/lint/layers.py {layers.ROOMS}")
    for folder in ("include/bight", "lib"):
        compared += 1
        there = {path.name for path in (root / folder).iterdir() if path.is_dir()}
        if there - set(rooms):
            wrong.append(f"docs/design/layers.md has no room {', '.join(sorted(there - set(rooms)))} of {folder}")
    return wrong, compared


def main():
    wrong, compared = check(pathlib.Path(sys.argv[1]).resolve())
    print("\n".join(wrong))
    print("test cases: 1 | 1 failed" if wrong else f"All tests passed ({compared} assertions in 1 test case)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
