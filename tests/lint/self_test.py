#!/usr/bin/env python3
"""Checks coroutine_idioms.py on snippets/: it must report what bad.cpp marks with "// bad: RULE", nothing else there,
and nothing in good.cpp. The last line is a summary in the form of Catch2."""
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import coroutine_idioms as idioms  # noqa: E402

SNIPPETS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "snippets")


def marked(path):
    with open(path, encoding="utf-8") as source:
        lines = source.read().split("\n")
    return {(n, rule) for n, line in enumerate(lines, 1) for rule in re.findall(r"// bad: ([a-z-]+)$", line)}


def main():
    failed = checked = 0
    for name in ("bad.cpp", "good.cpp"):
        path = os.path.join(SNIPPETS, name)
        expected = marked(path)
        found = set(idioms.findings_of(path))
        checked += max(1, len(expected))
        for line, rule in sorted(expected - found):
            failed += 1
            print(f"{path}:{line}: {rule}: not reported")
        for line, rule in sorted(found - expected):
            failed += 1
            print(f"{path}:{line}: {rule}: reported, and should not be")
    unused = set(idioms.ADVICE) - {rule for _, rule in marked(os.path.join(SNIPPETS, "bad.cpp"))}
    for rule in sorted(unused):
        failed += 1
        print(f"{rule}: no snippet breaks this rule")
    print("test cases: 1 | 1 failed" if failed else f"All tests passed ({checked} assertions in 1 test case)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
