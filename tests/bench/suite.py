#!/usr/bin/env python3
"""Measures bight beside the bare system calls and other libraries, and writes the report. `sh tests/run.sh bench` runs it.

  BUILD     a release build with the benchmarks (ninja -C BUILD benchmarks)
  THEME     only these; a word that is a part of a name will do
  --rounds  how often each server has its turn (5)
  --seconds that each measurement lasts (0.5)
  --quick   one short round of fewer points: whether the suite works, not what anything costs
  --out     where the report goes: docs/benchmarks, or BUILD/report with --quick or a THEME
  --check   only says whether these arguments are right

The themes: {themes}.

A theme that fails is named at the end, and the others go on.
"""
import argparse
import importlib
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path

sys.dont_write_bytecode = True
import themes  # noqa: E402
from measuring import machine  # noqa: E402
from measuring.setting import ROOT, Setting, Unavailable  # noqa: E402
from report import page  # noqa: E402
from report.model import Section  # noqa: E402


def chosen(words):
    """The names of the themes that have one of these words in them."""
    for word in words:
        if not any(word in name for name in themes.NAMES):
            sys.exit(f"suite.py: no theme is called \"{word}\"; there are {', '.join(themes.NAMES)}")
    return [name for name in themes.NAMES if not words or any(word in name for word in words)]


def run_theme(name, setting, find=lambda name: importlib.import_module(f"themes.{name}")):
    """Its section; that says why, if there are no figures."""
    theme = find(name)
    title = theme.__doc__.strip().splitlines()[0].rstrip(".")
    try:
        return theme.run(setting)
    except Unavailable as why:
        return Section(name, title, "Not measured here.", notes=[f"left out: {why}"])
    except Exception as why:  # whatever it is, the other themes are worth having
        traceback.print_exc()
        return Section(name, title, "Not measured: it failed.", notes=[f"FAILED: {type(why).__name__}: {why}"])


def run_all(names, setting):
    sections = []
    for name in names:
        began = time.monotonic()
        print(f"== {name}", flush=True)
        sections.append(run_theme(name, setting))
        print(f"== {name}: {time.monotonic() - began:.0f} s", flush=True)
    return sections


def read_arguments():
    parser = argparse.ArgumentParser(
        usage="sh tests/run.sh bench [--quick] [--rounds N] [--seconds S] [--out FOLDER] [THEME...]\n"
              "       suite.py BUILD [--compiler CXX] and the same",
        description=__doc__.format(themes=", ".join(themes.NAMES)), formatter_class=argparse.RawDescriptionHelpFormatter)
    hidden = argparse.SUPPRESS  # the text above has them all
    parser.add_argument("build", type=Path, help=hidden)
    parser.add_argument("themes", nargs="*", help=hidden)
    parser.add_argument("--quick", action="store_true", help=hidden)
    parser.add_argument("--rounds", type=int, help=hidden)
    parser.add_argument("--seconds", type=float, help=hidden)
    parser.add_argument("--compiler", default=os.environ.get("CXX", "g++"), help=hidden)
    parser.add_argument("--out", type=Path, help=hidden)
    parser.add_argument("--check", action="store_true", help=hidden)
    given = parser.parse_intermixed_args()
    given.names = chosen(given.themes)
    if not given.check and not (given.build / "tests" / "bench" / "load").exists():
        parser.error(f"{given.build} has no benchmarks in it: ninja -C {given.build} benchmarks")
    if (given.rounds is not None and given.rounds < 1) or (given.seconds is not None and not 0 < given.seconds <= 60):
        parser.error("rounds are 1 or more, seconds more than 0 and at most 60")
    return given


def main():
    given = read_arguments()
    if given.check:
        return 0
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))  # so that every server is stopped
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # for servers and loads
    partial = given.quick or given.themes
    out = given.out or (given.build / "report" if partial else ROOT / "docs" / "benchmarks")
    setting = Setting(given.build.resolve(), given.rounds or (1 if given.quick else 5), given.seconds or (0.1 if given.quick else 0.5),
                      given.quick, given.compiler, out.resolve())
    about = machine.description(setting)
    sections = run_all(given.names, setting)
    page.write(out, setting, about, sections)
    print(f"The report is {out / 'README.md'}")
    failed = [section for section in sections if section.failed]
    for section in failed:
        for note in section.notes:
            print(f"{section.name}: {note}")
    print(f"{len(sections) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
