"""UDP echo."""
from measuring.processes import load, server
from measuring.rounds import interleave
from measuring.subjects import BIGHT, RAW, Subject
from report.model import Aim, Section, Table

from .common import bights, rows

CLIENTS, SIZE = 8, 64
DEPTHS = {"one each": 1, "16 each": 16}
LOOP = "recvmmsg, sendmmsg"
TEXT = """\
8 clients keep datagrams of 64 bytes on their way to a server, which answers each: one each, so that few come at a time, or 16. The bare
server waits in recvmmsg(2) and answers with sendmmsg(2), 64 at a time; bight's calls `receive_many` and `send_many`. What bight does not use stands
beside them: io_uring's multishot recvmsg, whose provided buffers must have room for whatever comes, answered by sendmmsg(2) or by requests."""


def multishot(name, *arguments):
    return Subject(name, RAW, "raw_datagrams_uring", ("{port}", *arguments), package="liburing-dev", protocol="udp")


SUBJECTS = [Subject(LOOP, RAW, "raw_datagrams", protocol="udp")] + [
    Subject(f"bight, {reactor}", BIGHT, "datagram_server", reactor=reactor, protocol="udp") for reactor in ("epoll", "io_uring")] + [
    multishot("multishot, 2 KiB, sendmmsg", "2048"),
    multishot("multishot, 64 KiB, sendmmsg", "65507"),
    multishot("multishot, 2 KiB, requests", "2048", "entries")]


def run(setting):
    section = Section("datagrams", "Datagrams", TEXT)
    for title, depth in DEPTHS.items():
        def measure(subject, depth=depth):
            with server(setting, subject) as (port, pid):
                return load(setting, "datagram_load", port, CLIENTS, SIZE, depth, setting.seconds, pid)
        measured = interleave(setting, SUBJECTS, measure)
        section.notes += [note for note in measured.notes if note not in section.notes]
        section.tables.append(Table(
            ["server", "datagrams in a second", "processor time of a datagram, µs", "lost of 1,000"],
            rows(measured, *[lambda name, metric=metric, m=measured: m.figure(name, metric) for metric in ("rate", "cpu", "lost")]),
            f"64 B, {title}"))
        if LOOP in measured:
            section.aims += [Aim(f"datagrams of 64 B, {title}: {name}", measured.ratio(name, "cpu", LOOP), 1.05, "× bare loop")
                             for name in bights(measured)]
    return section
