#!/usr/bin/env python3
"""Checks tools/gdb/bight.py: gdb runs a program that aborts in a known tree of tasks (tree.cpp), and shows the tree of the
process and of its core file.

usage: gdb_test.py PROGRAM SOURCE SCRIPT

The last line is a summary in the form of Catch2. Skipped (status 77) without gdb, or where it may trace nothing.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile


def skip(why):
    print(f"skipped 1: {why}")
    print("All tests passed (1 assertion in 1 test case)")
    sys.exit(77)  # "skipped" to Meson


def gdb(arguments, program):
    """What gdb writes to standard output and to standard error."""
    command = ["gdb", "-q", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set auto-load off"]
    for argument in arguments:
        command += ["-ex", argument]
    ran = subprocess.run(command + program, capture_output=True, text=True, timeout=200, check=False,
                         env=dict(os.environ, BIGHT_REACTOR="", LC_ALL="C.UTF-8", DEBUGINFOD_URLS=""))
    return ran.stdout, ran.stderr


def expected(source):
    """What must stand in the tree, as regular expressions in this order, by the lines that the source marks."""
    with open(source, encoding="utf-8") as text:
        line = {m.group(1): n for n, row in enumerate(text, 1) if (m := re.search(r"// line: (\w+)", row))}
    at = {name: rf" at \S*tree\.cpp:{n}\n" for name, n in line.items()}
    any_time = r", [\d.]+ s so far\n"
    return [
        r"tasks on \w+:\n",
        r"the task given to run\(\): waits for a group of 3 tasks" + any_time + r"  in app::everything at ",
        r"\n  task: waits for 2 tasks" + any_time + r"    in a lambda in app::everything" + at["all"],
        r"    through bight::detail::group_awaiter::await_body at ",
        r"\n    task: (running|ready|waits for .*)\n      in app::crash at ",
        r"\n    task: waits for a timer \(59 min 59 s left\)" + any_time + r"      in app::sleep_long" + at["sleep"],
        r"  a task of a group: waits for a task with a time-out \(1 h 59 min left\)" + any_time,
        r"    task: waits for a timer \(59 min 59 s left\)" + any_time + r"      in app::sleep_long" + at["sleep"],
        r"  a task of a group: waits for lock \(bight::detail::lock_awaiter\)" + any_time +
        r"    in app::wait_for" + at["mutex"],
        r"  a task of a group: waits for a server" + any_time,
        r'    connection 1 "GET /x for a client": waits for a read from fd \d+' + any_time +
        r"      in app::wait_for_lines" + at["read"] + r"      in app::serve_client" + at["serve"] +
        r"      through bight::\w+::next at ",
    ]


def missing(tree, patterns):
    """The patterns that the tree has not, each on its own: the order of tasks beside each other is left open."""
    return [p for p in patterns if not re.search(p, tree)]


def main():
    program, source, script = sys.argv[1:4]
    if not shutil.which("gdb"):
        skip("gdb is not installed (Debian: gdb)")
    patterns = expected(source)
    with tempfile.TemporaryDirectory() as place:
        core = os.path.join(place, "core")
        out, err = gdb([f"source {script}", "bight tasks", "run", "echo == live\\n", "bight tasks",
                        f"generate-core-file {core}"], [program])
        if "SIGABRT" not in out:
            if re.search(r"ptrace|Operation not permitted|Python scripting is not supported", out + err):
                skip("gdb may trace no process here, or has no Python: " + err.strip().split("\n")[-1])
            print(out, err, sep="\n")
            print("gdb did not run the program to its abort")
            return summary(1, 1)
        if "there is no debug information of libbight" in err:
            skip("bight is compiled without the debug information of types (-g1, or none)")
        before, _, live = out.partition("== live\n")
        checks = [("before it has begun", "this process has no reactor\n" in before, before + err)]
        for p in missing(live, patterns):
            checks.append((f"in the process: {p}", False, live))
        checks.append(("the process", not missing(live, patterns), live))
        checks.append(("no warning of gdb", "RTTI" not in err, err))
        out, err = gdb([f"source {script}", "echo == core\\n", "bight tasks"], [program, core])
        of_core = out.partition("== core\n")[2]
        for p in missing(of_core, patterns):
            checks.append((f"in the core file: {p}", False, of_core + err))
        checks.append(("the core file", not missing(of_core, patterns), of_core))

        number = next(n for n, row in enumerate(open(source, encoding="utf-8"), 1) if "// line: mutex" in row)
        out, err = gdb([f"source {script}", f"break tree.cpp:{number}", "run", "echo == frame\\n", "bight awaiters",
                        "frame function bight::reactor::turn", "bight awaiters"], [program])
        awaiters = out.partition("== frame\n")[2]
        wanted = (r"a task of a group, which stands in app::wait_for at \S*tree\.cpp:\d+\n"
                  r"the task given to run\(\), which stands in app::everything at ")
        checks.append(("the awaiters of a frame", bool(re.search(wanted, awaiters)), awaiters + err))
        checks.append(("a frame that is no coroutine", "the selected frame is no coroutine of bight" in err, err))
    failed = [c for c in checks if not c[1]]
    for name, _, got in failed:
        print(f"not as expected: {name}\n{got}")
    return summary(len(checks), len(failed))


def summary(checks, failed):
    print(f"test cases: 1 | 1 failed ({failed} of {checks} checks)" if failed
          else f"All tests passed ({checks} assertions in 1 test case)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
