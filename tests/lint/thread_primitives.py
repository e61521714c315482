#!/usr/bin/env python3
"""Checks that what is built for Windows, macOS and the BSDs uses none of these: std::latch, std::barrier,
std::counting_semaphore, std::binary_semaphore and the waits of std::atomic, which may hang with the C++ library of
mingw-w64; std::jthread and std::stop_token, which libc++ has not. A mutex and a condition variable do.

usage: thread_primitives.py ROOT
       thread_primitives.py --self-test

It reads include, lib, samples, tests and tools/bight, but for the tests of tests/not_on_windows.txt and those of one
program for Linux alone. A wait of an atomic is known by the name of a variable that the same file declares as one. The
last line is a summary in the form of Catch2.
"""
import pathlib
import re
import sys

FOLDERS = ("include", "lib", "samples", "tests", "tools/bight")
# Never built for another system.
LEFT_OUT = ("tests/bench", "tests/compile_fail", "tests/gdb", "tests/lint", "tests/mutants", "tests/sanitizers")

NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
HANGS = "may hang with the C++ library of mingw-w64: use a mutex and a condition variable"
MISSING = "is not in libc++: use std::thread, and a flag of your own"
NAMED = [
    (re.compile(r"\bstd::(?:latch|barrier|counting_semaphore|binary_semaphore|atomic_wait\w*|atomic_notify\w*)\b"
                r"|#\s*include\s*<(?:latch|barrier|semaphore)>"), HANGS),
    (re.compile(r"\bstd::(?:jthread|stop_token|stop_source|stop_callback)\b|#\s*include\s*<stop_token>"), MISSING),
]
# std::atomic<T> name, std::atomic_bool name; one level of brackets inside the type.
ATOMIC = re.compile(r"\bstd::atomic(?:_\w+\s|\s*<(?:[^<>;]|<[^<>;]*>)*>)\s*&?\s*(\w+)\s*[;{=(,)\[]")
USE = r"\b%s(?:\[[^\]]*\])?(?:\.|->)(?:wait|notify_one|notify_all)\s*\("


def blanked(text):
    """The text with comments and strings made of spaces, the lines as they were; includes stay."""
    return NOISE.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def findings(text):
    """(line, what) for each use."""
    text = blanked(text)
    found = []
    for pattern, why in NAMED:
        for match in pattern.finditer(text):
            found.append((text.count("\n", 0, match.start()) + 1, f"{match.group(0)} {why}"))
    for name in sorted({m.group(1) for m in ATOMIC.finditer(text)}):
        for match in re.finditer(USE % re.escape(name), text):
            found.append((text.count("\n", 0, match.start()) + 1, f"a wait of the atomic {name} {HANGS}"))
    return sorted(found)


def not_on_windows(root):
    """The tests that are not built there: tests/ROOM/NAME_test.cpp."""
    listed = root / "tests" / "not_on_windows.txt"
    names = [line.split(":")[0].strip() for line in listed.read_text().splitlines()] if listed.exists() else []
    return {f"tests/{name}_test.cpp" for name in names if name}


def files(root):
    left_out = not_on_windows(root)
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.[ch]pp")):
            name = path.relative_to(root).as_posix()
            if name not in left_out and not name.startswith(LEFT_OUT):
                yield name, path


def self_test():
    bad = ['#include <latch>', 'std::barrier gate(2, f);', 'std::counting_semaphore<> s(0);', 'std::jthread t(f);',
           'std::stop_token s;', 'std::atomic<bool> done{false};\ndone.wait(false);',
           'struct a { std::atomic<std::vector<int>*> p; };\nx->p.notify_all();',
           'std::atomic_bool go = false;\ngo.notify_one();', 'std::atomic<int> turns[2];\nturns[0].wait(1);']
    good = ['// std::latch hangs', 'bight::latch all(2);', 'log("std::jthread");', 'std::condition_variable c;\nc.wait(l);',
            'std::atomic<bool> done{false};\nchanged.wait(hold, [&] { return done.load(); });', '#include <bight/sync/latch.hpp>']
    wrong = [text for text in bad if not findings(text)] + [text for text in good if findings(text)]
    for text in wrong:
        print(f"judged wrongly: {text!r}")
    return len(bad) + len(good), len(wrong)


def main():
    if sys.argv[1:] == ["--self-test"]:
        checked, failed = self_test()
    elif len(sys.argv) == 2:
        checked = failed = 0
        for name, path in files(pathlib.Path(sys.argv[1])):
            checked += 1
            for line, what in findings(path.read_text()):
                failed += 1
                print(f"{name}:{line}: {what}")
    else:
        sys.exit(__doc__)
    print("test cases: 1 | 1 failed" if failed else f"All tests passed ({checked} assertions in 1 test case)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
