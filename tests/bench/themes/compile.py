"""How long a translation unit takes to be compiled."""
import os
import re
import resource
import subprocess
import tempfile
from pathlib import Path

from measuring.rounds import interleave
from measuring.setting import ROOT, Unavailable
from measuring.subjects import BIGHT, PEER, RAW, Subject
from report.model import Aim, Chart, Group, Section, Table

from .common import bars, rows

BARE, MINE = "its standard headers", "bight"
SUBJECTS = [
    Subject(BARE, RAW, "standard"),
    Subject(MINE, BIGHT, "echo"),
    Subject("Asio coroutines", PEER, "asio_echo", package="libasio-dev"),
    Subject("Asio callbacks", PEER, "asio_callbacks", package="libasio-dev"),
]
PROGRAM = """\
#include <bight/bight.hpp>

bight::task<> echo(bight::stream peer) {
    while (auto chunk = co_await peer.read_some()) co_await peer.write(chunk);
}

int main() { return bight::run(bight::serve("tcp:8123", echo)); }
"""
TEXT = """\
The echo server's one file at -O0, without precompiled headers, and the standard headers that bight's include, alone: the processor time
of the compiler."""


def command(setting, source, *more):
    return setting.compiler.split() + ["-std=c++20", "-O0", "-foptimize-sibling-calls", "-DBIGHT_SIBLING_CALLS", "-DASIO_HAS_CO_AWAIT",
                                       "-DASIO_HAS_STD_COROUTINE", f"-I{ROOT / 'include'}", f"-I{ROOT / 'tests/bench'}", str(source), *more]


def standard_headers(setting, echo):
    """Those that the headers of bight include which this program includes."""
    names = set()
    for path in subprocess.check_output(command(setting, echo, "-M"), text=True).replace("\\", " ").split():
        if path.startswith(str(ROOT / "include")):
            names.update(re.findall(r"^#include <([a-z_]+)>", Path(path).read_text(encoding="utf-8"), re.M))
    return "".join(f"#include <{name}>\n" for name in sorted(names)) + "int main() {}\n"


def processor_time():
    """That the children of this process have used, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(setting):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "echo.cpp").write_text(PROGRAM)
        (folder / "standard.cpp").write_text(standard_headers(setting, folder / "echo.cpp"))

        def measure(subject):
            source = folder / f"{subject.program}.cpp"
            if subject.package:
                source = ROOT / "tests/bench/peers" / f"{subject.program}.cpp"
                setting.program(subject.program, subject.package)  # if it was not built, its headers are not there
            before = processor_time()
            subprocess.run(command(setting, source, "-c", "-o", str(folder / "object")), check=True,
                           capture_output=True, env=os.environ | {"CCACHE_DISABLE": "1"})
            return {"ms": (processor_time() - before) * 1000}
        measured = interleave(setting, SUBJECTS, measure)
    if BARE not in measured:
        raise Unavailable(f"{setting.compiler} compiles nothing: " + "; ".join(measured.notes))
    return Section(
        "compile", "Compile time", TEXT,
        tables=[Table(["echo server", "processor time, ms", "× its standard headers"],
                      rows(measured, lambda name: measured.figure(name, "ms"), lambda name: measured.ratio(name, "ms", BARE)))],
        charts=[Chart("compile", f"An echo server's file at -O0, {setting.compiler}", "ms",
                      [Group("", bars(measured, lambda name: measured.figure(name, "ms")))])],
        aims=[Aim("compile time of an echo server", measured.ratio(MINE, "ms", BARE), 1.4, "× its standard headers")]
        if MINE in measured else [],
        notes=measured.notes)
