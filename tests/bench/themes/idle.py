"""What a connection that waits costs in memory."""
from measuring.processes import load
from measuring.rounds import interleave
from measuring.subjects import BIGHT_ECHO, ECHO_ON_EPOLL, RAW_URING
from report.model import Aim, Chart, Group, Section, Table

from .common import bars, bights, rows

CONNECTIONS = 4000
SUBJECTS = [*ECHO_ON_EPOLL, RAW_URING, BIGHT_ECHO[1]]
TEXT = """\
How much the resident memory of the server grows for each of 4,000 connections: when they are made, and when each has echoed once and waits.
What the kernel has for a socket is not in it."""


def run(setting):
    def measure(subject):
        return load(setting, "idle", 200 if setting.quick else CONNECTIONS, subject.path(setting), environment=subject.environment)
    measured = interleave(setting, SUBJECTS, measure)
    return Section(
        "idle", "Memory of an idle connection", TEXT,
        tables=[Table(["server", "fresh, bytes", "after one echo, bytes"],
                      rows(measured, lambda name: measured.figure(name, "fresh"), lambda name: measured.figure(name, "used")))],
        charts=[Chart("idle", "Resident memory for a connection that has echoed and waits", "B",
                      [Group("", bars(measured, lambda name: measured.figure(name, "used")))])],
        aims=[Aim(f"memory of an idle connection: {name}", measured.figure(name, "used"), 600, "bytes") for name in bights(measured)],
        notes=measured.notes)
