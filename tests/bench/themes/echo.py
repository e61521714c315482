"""Echo by the size of the message."""
from measuring.processes import load, server
from measuring.rounds import interleave
from measuring.subjects import ECHO, RAW_EPOLL
from report.model import Aim, Chart, Group, Section, Table

from .common import bars, beside, bights

CONNECTIONS = 8
SIZES = [64, 4096, 16384, 65536, 262144]
AIMED_AT = [16384, 65536, 262144]
TEXT = """\
Each of 8 clients sends a message, and the next one when all of it is back. Bare epoll reads into 64 KiB; bare io_uring lends the kernel
buffers of 4 KiB, which is no limit for large messages: the aim is bare epoll on both demultiplexers."""


def size_name(size):
    return f"{size} B" if size < 1024 else f"{size // 1024} KiB"


def measure_size(setting, size):
    def measure(subject):
        with server(setting, subject) as (port, pid):
            return load(setting, "load", port, CONNECTIONS, size, 1, setting.seconds, pid)
    return interleave(setting, ECHO, measure)


def run(setting):
    section = Section("echo", "Echo by size", TEXT)
    sizes = setting.some(SIZES)
    by_size = {size: measure_size(setting, size) for size in sizes}
    section.notes = list(dict.fromkeys(note for measured in by_size.values() for note in measured.notes))

    def of(subject, size):
        return by_size[size].figure(subject, "cpu") if subject in by_size[size] else None

    section.tables.append(Table(
        ["server", *map(size_name, sizes)],
        [[subject.name] + [of(subject.name, size) for size in sizes] for subject in ECHO if any(subject.name in m for m in by_size.values())],
        "Processor time of the server for each message, µs"))
    groups = [Group(size_name(size), bars(measured, lambda name, m=measured: m.ratio(name, "cpu", RAW_EPOLL.name)))
              for size, measured in by_size.items() if RAW_EPOLL.name in measured]
    section.charts.append(Chart("echo", "Echo: processor time of the server for each message, in times of bare epoll", "×", groups,
                                mark=1, mark_label="bare", limit=3))
    for size, measured in by_size.items():
        if RAW_EPOLL.name not in measured:
            continue
        section.glance.append(beside(f"echo, {size_name(size)}", measured, "cpu", RAW_EPOLL.name))
        if size in AIMED_AT:
            section.aims += [Aim(f"echo of {size_name(size)}: {name}", measured.ratio(name, "cpu", RAW_EPOLL.name), 1.10,
                                 "× bare epoll") for name in bights(measured)]
    return section
