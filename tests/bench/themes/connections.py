"""Echo by the number of connections, and of messages on their way; latency."""
from measuring.processes import load, server
from measuring.rounds import interleave
from measuring.subjects import ASIO_COROUTINES, ECHO, RAW_ECHO
from report.model import Aim, Chart, Group, Section, Table

from .common import bars, bights

SIZE = 64
POINTS = [(1, 1), (64, 1), (1000, 1), (1, 16), (64, 16), (1000, 16)]  # connections, messages on their way on each
CPU_AIMS = [(64, 1), (1000, 1)]
P99_AIM = (64, 1)
TEXT = """\
Messages of 64 bytes; each connection keeps one, or 16, on their way. The latency is what a client sees, and grows with the number of
clients, for one processor serves them all: compare it within a column. With 16 on their way a server gets several in one piece."""


def point_name(point):
    connections, depth = point
    return f"{connections:,}" + (f" × {depth}" if depth > 1 else "")


def measure_point(setting, connections, depth):
    def measure(subject):
        with server(setting, subject) as (port, pid):
            return load(setting, "load", port, connections, SIZE, depth, setting.seconds, pid)
    return interleave(setting, ECHO, measure)


def table(by_point, metric, caption):
    names = list(dict.fromkeys(name for measured in by_point.values() for name in measured.names()))
    return Table(["server", *map(point_name, by_point)],
                 [[name] + [m.figure(name, metric) if name in m else None for m in by_point.values()] for name in names], caption)


def aims_of(point, measured):
    if point in CPU_AIMS:
        best = measured.best_of(RAW_ECHO, "cpu")
        for name in bights(measured):
            yield Aim(f"echo, {point[0]:,} connections: {name}", measured.ratio(name, "cpu", best), 1.03, f"× {best}")
    if point == P99_AIM and ASIO_COROUTINES.name in measured:
        for name in bights(measured):
            yield Aim(f"echo, {point[0]:,} connections, p99: {name}", measured.ratio(name, "p99", ASIO_COROUTINES.name), 1.0,
                      "× Asio's coroutines")


def run(setting):
    section = Section("connections", "Echo by connections", TEXT)
    by_point = {point: measure_point(setting, *point) for point in setting.some(POINTS)}
    section.notes = list(dict.fromkeys(note for measured in by_point.values() for note in measured.notes))
    section.tables = [table(by_point, "cpu", "Processor time of the server for each message, µs"),
                      table(by_point, "p99", "99 of 100 messages are back within, µs"),
                      table(by_point, "rate", "Messages in a second")]
    groups = {"cpu": [], "p99": []}
    for point, measured in by_point.items():
        groups["cpu"].append(Group(point_name(point), bars(measured, lambda name, m=measured: m.ratio(
            name, "cpu", m.best_of(RAW_ECHO, "cpu")))))
        groups["p99"].append(Group(point_name(point), bars(measured, lambda name, m=measured: m.ratio(
            name, "p99", m.best_of(RAW_ECHO, "p99")))))
        section.aims += aims_of(point, measured)
    section.charts = [
        Chart("connections", "Echo of 64 bytes by connections: processor time, in times of the better bare server", "×",
              groups["cpu"], mark=1, mark_label="bare", limit=3),
        Chart("latency", "The same: latency at the 99th percentile, in times of the better bare server", "×", groups["p99"],
              mark=1, mark_label="bare", limit=3),
    ]
    return section
