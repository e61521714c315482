#!/usr/bin/env python3
"""Checks that a forgotten co_await warns: every type in the public headers that can be awaited is [[nodiscard]] itself,
so that no function which gives one has to say so.

usage: awaitables.py INCLUDE_DIRECTORY

A type can be awaited when bight's tasks accept it (it has `bight_awaitable`) and it has something to await with
(`await_resume`, or `operator co_await`), by itself or by what it derives from. The last line is a summary in the form
of Catch2.
"""
import pathlib
import re
import sys

COMMENTS_AND_TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|^[ \t]*#(?:\\\n|[^\n])*|"(?:\\.|[^"\\\n])*"', re.DOTALL | re.MULTILINE)
CLASS = re.compile(
    r"\b(?:class|struct)\s+(?P<attributes>(?:\[\[.*?\]\]\s*|BIGHT_\w+\s*)*)"
    r"(?P<name>\w+)\s*(?:<[^;{]*?>)?\s*(?:final\s*)?(?::(?P<bases>[^;{]*))?\{",
    re.DOTALL,
)
BASE = re.compile(r"(?:public|protected|private)\s+(?:virtual\s+)?((?:\w+::)*\w+)")


class Type:
    def __init__(self, where, nodiscard, bases, members):
        self.where = where
        self.nodiscard = nodiscard
        self.bases = bases
        self.accepted = "bight_awaitable" in members
        self.has_result = bool(re.search(r"\bawait_resume\s*\(|\boperator\s+co_await\s*\(", members))


def own_members(text, at):
    """What stands in the braces that open before `at`, without what stands in braces inside."""
    depth, members = 1, []
    while depth > 0 and at < len(text):
        if text[at] == "{":
            depth += 1
        elif text[at] == "}":
            depth -= 1
        elif depth == 1:
            members.append(text[at])
        at += 1
    return "".join(members)


def types_of(path, root):
    text = COMMENTS_AND_TEXT.sub(lambda m: "\n" * m.group().count("\n"), path.read_text(encoding="utf-8"))
    for found in CLASS.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        bases = [name.split("::")[-1] for name in BASE.findall(found.group("bases") or "")]
        yield found.group("name"), Type(f"{path.relative_to(root)}:{line}", "nodiscard" in found.group("attributes"),
                                        bases, own_members(text, found.end()))


def main():
    root = pathlib.Path(sys.argv[1])
    types = {}  # by name: several of one name are looked at together
    for path in sorted(root.rglob("*.hpp")):
        for name, found in types_of(path, root):
            types.setdefault(name, []).append(found)

    def any_of(found, what, below=()):
        if found in below:  # a base of the same name
            return False
        return getattr(found, what) or any(any_of(b, what, (*below, found))
                                           for base in found.bases for b in types.get(base, ()))

    awaitable = [(name, found) for name, all_of_name in types.items() for found in all_of_name
                 if any_of(found, "accepted") and any_of(found, "has_result")]
    failed = [(name, found) for name, found in awaitable if not found.nodiscard]
    for name, found in failed:
        print(f"{found.where}: {name} can be awaited, and is not [[nodiscard(\"co_await it\")]]")
    if len(awaitable) < 50:
        print(f"only {len(awaitable)} types that can be awaited were found in {root}")
        failed.append(None)
    print("test cases: 1 | 1 failed" if failed else f"All tests passed ({len(awaitable)} assertions in 1 test case)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
