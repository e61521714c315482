"""What it costs to start a program, and to wait for its end."""
import os
import re
import subprocess

from measuring.processes import pinned_to
from measuring.rounds import interleave
from measuring.subjects import RAW, Subject, bight
from report.model import Aim, Chart, Group, Section, Table

from .common import bars, bights, rows

BARE = "posix_spawn, waitpid"
STARTS = "1000"
TEXT = """\
A program that does nothing (`/bin/true`) is started and waited for, a thousand times, one after the other: the time for each, and the processor time that the
program which starts them uses itself, in which it also finds out whether the start has failed, closes what the child must not have, and has a pidfd."""
SUBJECTS = [Subject(BARE, RAW, "raw_children", (STARTS,)), *bight("children", STARTS)]


def measure_in(setting):
    def measure(subject):
        done = subprocess.run(subject.command_for(setting), capture_output=True, text=True, check=True, timeout=120,
                              env=dict(os.environ, **subject.environment), preexec_fn=pinned_to({setting.server_cpu}))
        return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", done.stdout)}
    return measure


def run(setting):
    measured = interleave(setting, SUBJECTS, measure_in(setting))
    section = Section("children", "Child processes", TEXT, notes=measured.notes)
    section.tables.append(Table(
        ["one child", "time, µs", f"× {BARE}", "own processor time, µs"],
        rows(measured, lambda name: measured.figure(name, "passed"), lambda name: measured.ratio(name, "passed", BARE),
             lambda name: measured.figure(name, "cpu"))))
    section.charts.append(Chart("children", "Starting a program, and waiting for its end", "µs",
                                [Group("", bars(measured, lambda name: measured.figure(name, "passed")))]))
    section.aims += [Aim(f"children: {name}", measured.ratio(name, "passed", BARE), 1.1, f"× {BARE}")
                     for name in bights(measured)]
    return section
