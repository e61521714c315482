#!/usr/bin/env python3
"""Makes small changes in the library, one at a time, and says which of them no test notices.

usage: mutants.py [--compiler COMMAND] [--jobs N] [--least PERCENT] [--again] [--list] [--check] [WORD...]

All changes (tests/mutants/sites) are compiled into one copy of the project, in build/mutants, and the environment
variable BIGHT_MUTANT chooses one for a run. Every test runs once without any, to know how long it takes and which
changes it gets to; then each change is tried by the tests of its own room and of those next to it, as far as they get
there, the quickest first. A test that fails, crashes or hangs has noticed it.

    --least   the share of the changes that has to be noticed, or the status is not zero (85)
    --again   only changes that were not noticed when they were tried last, or were never tried
    --list    only says what there is
    --check   only looks whether each change still has its place in the sources
    WORD      only changes whose name, or the name of whose file, contains one of the words

The last line is "N of M noticed".
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import sites as listed  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / "build" / "mutants"
BUILD = COPY / "build" / "gcc"  # as deep as a build of the project, which shares a compiler's cache with it

# Whose tests try a change, by the room of its file; its own come first.
ROOMS = {
    "core": ["core", "sync", "generator", "thread", "service", "net"],
    "sync": ["sync", "thread"],
    "generator": ["generator"],
    "thread": ["thread", "core", "net"],
    "service": ["service"],
    "demux": ["demux", "net", "faults"],
    "io": ["io", "net", "faults", "sim"],
    "net": ["net", "faults", "sim"],
    "os": ["os"],
    "sim": ["sim"],
}
# The rooms whose tests are in a program of another name (tests/meson.build).
PROGRAMS = dict.fromkeys(["core", "sync", "generator", "thread", "service"], "runtime")
COPIED = ["include", "lib", "packaging", "samples", "subprojects", "tests", "tools", "meson.build", "meson_options.txt"]


def write_if_changed(path, content):
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def make_copy(all_sites):
    """The project in COPY with the changes in it; what has not changed keeps its time, and is not compiled again."""
    by_file = {}
    for site in all_sites:
        by_file.setdefault(site.file, []).append(site)
    wanted = set()
    for name in COPIED:
        top = ROOT / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if not path.is_file() or "__pycache__" in path.parts:
                continue
            relative = str(path.relative_to(ROOT))
            wanted.add(COPY / relative)
            content = path.read_bytes()
            if relative in by_file:
                content = listed.apply(by_file[relative], content.decode()).encode()
            write_if_changed(COPY / relative, content)
    for name in COPIED:
        for path in (COPY / name).rglob("*"):
            if path.is_file() and path not in wanted:
                path.unlink()


def build(compiler, jobs):
    log = COPY / "build.log"
    with open(log, "w", encoding="utf-8") as out:
        def run(*command):
            return subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False,
                                  env={**os.environ, **({"CXX": compiler} if compiler else {})}).returncode == 0
        options = ["--buildtype=debug", "-Dunity=on", "-Dunity_size=24", "-Dtests=enabled", "-Dsamples=disabled"]
        made_with = COPY / "made_with"
        what = f"{compiler} {options}"
        if not made_with.exists() or made_with.read_text(encoding="utf-8") != what:
            shutil.rmtree(BUILD, ignore_errors=True)
            if not run("meson", "setup", str(BUILD), str(COPY), *options):
                sys.exit(f"mutants.py: the set-up failed; {log} says why")
            made_with.write_text(what, encoding="utf-8")
        programs = sorted({PROGRAMS.get(room, room) for rooms in ROOMS.values() for room in rooms})
        if not run("ninja", "-C", str(BUILD), "-j", str(jobs), *(f"tests/{name}_tests" for name in programs)):
            sys.exit(f"mutants.py: the build failed; {log} says why")


class Test:
    def __init__(self, described):
        self.name = described["name"]
        self.room = self.name.split("/")[0]
        self.command = described["cmd"]
        self.seconds = 0.0
        self.reached = set()

    def run(self, limit, **variables):
        """Whether it passed. What it has started ends with it."""
        environment = {**os.environ, **variables}
        process = subprocess.Popen([*self.command, "--abort"], env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            return process.wait(limit) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()

    def try_without_changes(self, kept):
        """Whether it passed. What is learnt is kept until its program is built again."""
        key = [self.name, os.stat(self.command[0]).st_mtime]
        if self.name in kept and kept[self.name]["key"] == key:
            self.seconds, self.reached = kept[self.name]["seconds"], set(kept[self.name]["reached"])
            return True
        with tempfile.NamedTemporaryFile() as reached:
            reached.truncate(listed.NUMBERS)
            began = time.monotonic()
            passed = self.run(600, BIGHT_MUTANTS_REACHED=reached.name)
            self.seconds = time.monotonic() - began
            self.reached = {i for i, byte in enumerate(pathlib.Path(reached.name).read_bytes()) if byte}
        if passed:
            kept[self.name] = {"key": key, "seconds": self.seconds, "reached": sorted(self.reached)}
        return passed


def read_tests():
    told = subprocess.run(["meson", "introspect", "--tests", str(BUILD)], stdout=subprocess.PIPE, check=True).stdout
    rooms = {room for rooms in ROOMS.values() for room in rooms}
    return [test for test in map(Test, json.loads(told)) if test.room in rooms]


def who_notices(site, tests):
    """The name of a test, None, or False when none gets there."""
    rooms = ROOMS[site.file.split("/")[1] if site.file.startswith("lib/") else site.file.split("/")[2]]
    able = [test for test in tests if test.room in rooms and site.number in test.reached]
    for test in sorted(able, key=lambda test: (test.room != rooms[0], test.seconds)):
        if not test.run(20 + 10 * test.seconds, BIGHT_MUTANT=str(site.number)):
            return test.name
    return None if able else False


def main():
    about = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1][7:])
    about.add_argument("--compiler")
    about.add_argument("--jobs", type=int, default=2)
    about.add_argument("--least", type=float, default=85)
    about.add_argument("--again", action="store_true")
    about.add_argument("--list", action="store_true")
    about.add_argument("--check", action="store_true")
    about.add_argument("words", nargs="*")
    asked = about.parse_args()

    all_sites = listed.read_all(pathlib.Path(__file__).parent / "sites")
    stale = []
    for site in all_sites:
        try:
            path = ROOT / site.file
            if not path.is_file():
                site.fail(f"there is no {site.file}")
            listed.apply([site], path.read_text(encoding="utf-8"))
        except listed.Fault as fault:
            stale.append(fault)
    for fault in stale:
        print(fault)
    if asked.check:
        print(f"test cases: 1 | 1 failed" if stale else f"All tests passed ({len(all_sites)} assertions in 1 test case)")
    if stale:
        return 2
    if asked.check:
        return 0
    chosen = [site for site in all_sites
              if not asked.words or any(word in site.name or word in site.file for word in asked.words)]
    results = COPY / "results.json"
    known = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    if asked.again:
        chosen = [site for site in chosen if not known.get(site.name)]
    if not chosen:
        sys.exit(f"mutants.py: there is no such change: {' '.join(sys.argv[1:])}")
    if asked.list:
        for site in chosen:
            print(f"{site.number:5} {site.file}:{site.found_at}: {site.name}")
        return 0

    print(f"== building, with {len(all_sites)} changes", flush=True)
    make_copy(all_sites)
    build(asked.compiler, asked.jobs)
    tests = read_tests()
    print(f"== {len(tests)} tests without any change", flush=True)
    with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool:
        learnt = COPY / "tests.json"
        kept = json.loads(learnt.read_text(encoding="utf-8")) if learnt.exists() else {}
        passed = list(pool.map(lambda test: test.try_without_changes(kept), tests))
        learnt.write_text(json.dumps(kept), encoding="utf-8")
        broken = [test.name for test, good in zip(tests, passed) if not good]
        if broken:
            sys.exit(f"mutants.py: without any change these fail: {', '.join(broken)}")
        print(f"== {len(chosen)} changes", flush=True)
        survivors = []
        for site, noticed in zip(chosen, pool.map(lambda site: who_notices(site, tests), chosen)):
            known[site.name] = noticed
            results.write_text(json.dumps(known), encoding="utf-8")
            if noticed:
                print(f"noticed by {noticed}: {site.name}", flush=True)
            else:
                why = "no test gets there" if noticed is False else "no test minds"
                survivors.append(f"{site.file}:{site.found_at}: {site.name} ({why}; BIGHT_MUTANT={site.number})")
                print(f"NOT NOTICED: {survivors[-1]}", flush=True)
    if survivors:
        print("== not noticed", *survivors, sep="\n")
    count = len(chosen) - len(survivors)
    print(f"{count} of {len(chosen)} noticed")
    if 100 * count < asked.least * len(chosen):
        print(f"mutants.py: fewer than {asked.least:g} of 100 were noticed", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except listed.Fault as fault:
        print(fault)
        sys.exit(2)
