"""Many small reads of a file at once."""
import os
import re
import subprocess

from measuring.processes import pinned_to
from measuring.rounds import interleave
from measuring.subjects import RAW, Subject, bight
from report.model import Aim, Chart, Group, Section, Table

from .common import bars, rows

BARE = "bare liburing"
DEPTH = "32"
TEXT = """\
4 KiB at random places of a file of 256 MiB in the page cache, 32 reads at a time: by 32 tasks, each of which awaits `read_at`, and by a bare ring. On epoll
threads carry them out."""


def run(setting):
    section = Section("random_reads", "Random reads of a file", TEXT)
    count = str(100_000 if setting.quick else 1_000_000)
    subjects = [Subject(BARE, RAW, "raw_random_reads", (count, DEPTH), package="liburing-dev"),
                *bight("random_reads", count, DEPTH)]

    def measure(subject):
        done = subprocess.run(subject.command_for(setting), capture_output=True, text=True, check=True, timeout=300,
                              env=dict(os.environ, **subject.environment), preexec_fn=pinned_to({setting.server_cpu}))
        spent = {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", done.stdout)}
        return {**spent, "rate": 1e6 / spent["passed"]}

    measured = interleave(setting, subjects, measure)
    section.notes = measured.notes
    section.tables.append(Table(
        ["one read", "time, µs", "processor time, µs", f"reads in a second, × {BARE}"],
        rows(measured, lambda name: measured.figure(name, "passed"), lambda name: measured.figure(name, "cpu"),
             lambda name: measured.ratio(name, "rate", BARE))))
    section.charts.append(Chart("random_reads", "4 KiB at random places of a file, 32 at a time: time for each", "µs",
                                [Group("", bars(measured, lambda name: measured.figure(name, "passed")))]))
    if BARE in measured and "bight, io_uring" in measured:
        section.aims = [Aim("random reads: bight, io_uring", measured.ratio("bight, io_uring", "rate", BARE), 0.95, f"× {BARE}",
                            at_least=True)]
    return section
