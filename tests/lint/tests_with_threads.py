#!/usr/bin/env python3
"""Checks tests/with_threads.txt: the tests of rooms that are mostly of one thread, and that are not. ThreadSanitizer has
nothing to say of the others, and runs them with --full only. Each file of those rooms that names a thread is there, and
each that is there exists.

usage: tests_with_threads.py ROOT

The last line is a summary in the form of Catch2.
"""
import pathlib
import re
import sys

ROOMS = ("core", "demux", "net")
THREADS = re.compile(r"\bstd::thread\b|\bstd::async\b|\bbight::runtime\b|\boffload\w*\(|\bblock_on\(|\bthread_pool\b"
                     r"|\.post\(|\bserve_on\(|\bconcurrent_channel\b|\bbight::on\(|\bstall_limit\b")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    tests = pathlib.Path(sys.argv[1]) / "tests"
    listed = set((tests / "with_threads.txt").read_text().split())
    checked, wrong = 0, []
    for room in ROOMS:
        for path in sorted((tests / room).glob("*_test.cpp")):
            checked += 1
            name = f"{room}/{path.name.removesuffix('_test.cpp')}"
            if THREADS.search(path.read_text()) and name not in listed:
                wrong.append(f"tests/{name}_test.cpp names threads, and is not in tests/with_threads.txt")
    wrong += [f"tests/with_threads.txt: there is no tests/{name}_test.cpp" for name in sorted(listed)
              if not (tests / f"{name}_test.cpp").exists()]
    for line in wrong:
        print(line)
    print("test cases: 1 | 1 failed" if wrong else f"All tests passed ({checked} assertions in 1 test case)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
