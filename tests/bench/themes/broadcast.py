"""One message to very many."""
import resource

from measuring.processes import load, server
from measuring.rounds import interleave
from measuring.subjects import PEER, RAW, Subject, bight
from report.model import Aim, Chart, Group, Section, Table

from .common import bars, beside, bights, rows

CLIENTS = [1000, 10000]
SPARE = 100  # descriptors for other things
RAW_SERVERS = ["bare epoll", "bare io_uring"]
TEXT = """\
One client sends 64 bytes, which the server passes on to all the others; it sends again when all have them. bight has an `outbox` for each client,
Asio a queue as its users write it; the bare servers call send for each, and lose or block where a client does not read."""

SUBJECTS = [
    Subject(RAW_SERVERS[0], RAW, "raw_broadcast_epoll"),
    Subject(RAW_SERVERS[1], RAW, "raw_broadcast_uring", package="liburing-dev"),
    *bight("broadcast"),
    Subject("Asio callbacks, epoll", PEER, "asio_broadcast", package="libasio-dev"),
]


def run(setting):
    section = Section("broadcast", "Broadcast", TEXT)
    groups = []
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for clients in [50, 100] if setting.quick else CLIENTS:
        if clients + SPARE > descriptors:
            section.notes.append(f"left out: to {clients:,}: a process may have {descriptors:,} descriptors here")
            continue
        def measure(subject, clients=clients):
            with server(setting, subject) as (port, pid):
                return load(setting, "spread", port, clients, setting.seconds, pid)
        measured = interleave(setting, SUBJECTS, measure)
        best = measured.best_of(RAW_SERVERS, "cpu")
        label = f"to {clients:,}"
        section.notes += [f"{label}: {note}" for note in measured.notes]
        section.tables.append(Table(
            [label, "processor time for each delivery, µs", f"× {best}", "all have it after, ms", "99 of 100 times, ms"],
            rows(measured, lambda name, m=measured: m.figure(name, "cpu"),
                 lambda name, m=measured, b=best: m.ratio(name, "cpu", b),
                 lambda name, m=measured: m.figure(name, "p50"), lambda name, m=measured: m.figure(name, "p99"))))
        groups.append(Group(label, bars(measured, lambda name, m=measured: m.figure(name, "cpu"))))
        section.glance.append(beside(f"broadcast {label}", measured, "cpu", best))
        section.aims += [Aim(f"broadcast {label}: {name}", measured.ratio(name, "cpu", best), 1.03, f"× {best}")
                         for name in bights(measured)]
    section.charts.append(Chart("broadcast", "Broadcast: processor time of the server for each delivery", "µs", groups))
    return section
