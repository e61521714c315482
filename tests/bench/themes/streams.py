"""One long stream into a server, and out of it."""
from measuring.processes import load, server
from measuring.rounds import interleave
from measuring.subjects import PEER, RAW, Subject, bight
from report.model import Aim, Chart, Group, Section, Table

from .common import bars, beside, bights, rows

GIB = 1 << 30
BARE = "bare recv, send"
TEXT = """\
One connection, 1 GiB in one direction. A sink reads it: bight with `read_some()`, as its users write it, the bare loop into 256 KiB. A source
writes it, 256 KiB at a time."""


def subjects(*arguments):
    asio = "libasio-dev"
    return [
        Subject(BARE, RAW, "raw_stream", arguments),
        *bight("stream_server", *arguments),
        Subject("Asio coroutines, epoll", PEER, "asio_stream", arguments, package=asio),
        Subject("Asio coroutines, io_uring", PEER, "asio_stream_uring", arguments, package=asio + ", liburing-dev"),
    ]


def run(setting):
    section = Section("streams", "Long streams", TEXT)
    size = GIB // 64 if setting.quick else GIB
    groups = []
    for mode, arguments in {"sink": ("sink", "{port}"), "source": ("source", str(size), "{port}")}.items():
        def measure(subject, mode=mode):
            with server(setting, subject) as (port, pid):
                return load(setting, "pump", mode, port, size, pid)
        measured = interleave(setting, subjects(*arguments), measure)
        section.notes += [f"{mode}: {note}" for note in measured.notes]
        section.tables.append(Table(
            [mode, "processor time, ms for each GiB", "GiB in a second"],
            rows(measured, lambda name, m=measured: m.figure(name, "cpu"), lambda name, m=measured: m.figure(name, "rate"))))
        groups.append(Group(mode, bars(measured, lambda name, m=measured: m.figure(name, "cpu"))))
        if BARE in measured:
            section.glance.append(beside(f"stream, {mode}", measured, "cpu", BARE))
            section.aims += [Aim(f"stream, {mode}: {name}", measured.ratio(name, "cpu", BARE), 1.05, "× bare")
                             for name in bights(measured)]
    section.charts.append(Chart("streams", "One long stream: processor time of the server for each GiB", "ms", groups))
    return section
