"""Connections that come and go."""
from measuring.processes import load, server
from measuring.rounds import interleave
from measuring.subjects import ECHO, RAW_ECHO
from report.model import Aim, Chart, Group, Section, Table

from .common import bars, beside, bights, rows

TOGETHER, SIZE = 16, 16
TEXT = """\
A client connects, sends 16 bytes, has them back, and closes in good order; 16 do so at a time. Most of it is the kernel's work for a
connection."""


def run(setting):
    def measure(subject):
        with server(setting, subject) as (port, pid):
            return load(setting, "churn", port, TOGETHER, SIZE, setting.seconds, pid)
    measured = interleave(setting, ECHO, measure)
    best = measured.best_of(RAW_ECHO, "cpu")
    return Section(
        "churn", "Connections that come and go", TEXT,
        tables=[Table(["server", "processor time for each connection, µs", f"× {best}", "connections in a second"],
                      rows(measured, lambda name: measured.figure(name, "cpu"), lambda name: measured.ratio(name, "cpu", best),
                           lambda name: measured.figure(name, "rate")))],
        charts=[Chart("churn", "Connect, one exchange, close: processor time of the server", "µs",
                      [Group("", bars(measured, lambda name: measured.figure(name, "cpu")))])],
        aims=[Aim(f"connect, one exchange, close: {name}", measured.ratio(name, "cpu", best), 1.10, f"× {best}")
              for name in bights(measured)],
        glance=[beside("connect, exchange, close", measured, "cpu", best)],
        notes=measured.notes)
