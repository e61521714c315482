"""What an echo costs that noise cannot touch."""
import dataclasses

from measuring import counting
from measuring.rounds import interleave
from measuring.setting import Unavailable
from measuring.subjects import BIGHT_ECHO, ECHO_ON_EPOLL, RAW_URING
from report.model import Aim, Chart, Group, Section, Table

from .common import bars

SECONDS = (0.5, 1.5)
TEXT = """\
For each echo of 64 bytes on 64 connections, the server's own instructions (those of the kernel are not in it) and allocations, counted by valgrind,
and its system calls, counted by strace. Valgrind knows little of io_uring, so these have system calls only. strace slows a
server by itself, so that a wait finds more ready than without it, or less: its calls for each message are those of an undisturbed run, its waits are not."""


def count_all(setting, measured_as, subjects):
    """measured_as: {metric: function}."""
    def measure(subject):
        short, long = (0.1, 0.3) if setting.quick else SECONDS
        return {metric: counting.per_echo(count, setting, subject, short, long) for metric, count in measured_as.items()}
    return interleave(dataclasses.replace(setting, rounds=1), subjects, measure)


def run(setting):
    on_epoll = count_all(setting, {"instructions": counting.instructions, "allocations": counting.allocations}, ECHO_ON_EPOLL)
    calls = count_all(setting, {"calls": counting.system_calls}, [*ECHO_ON_EPOLL, RAW_URING, BIGHT_ECHO[1]])
    names = list(dict.fromkeys(on_epoll.names() + calls.names()))
    if not names:
        raise Unavailable("; ".join(on_epoll.notes + calls.notes))

    def of(measured, name, metric):
        return measured.figure(name, metric) if name in measured else None

    section = Section("counts", "Instructions, allocations, system calls", TEXT,
                      notes=list(dict.fromkeys(on_epoll.notes + calls.notes)))
    section.tables.append(Table(
        ["for each echo", "instructions", "allocations", "system calls"],
        [[name, of(on_epoll, name, "instructions"), of(on_epoll, name, "allocations"), of(calls, name, "calls")] for name in names]))
    section.charts.append(Chart("counts", "The server's own instructions for each echo", "",
                                [Group("", bars(on_epoll, lambda name: on_epoll.figure(name, "instructions")))]))
    mine = BIGHT_ECHO[0].name
    if mine in on_epoll:
        section.aims.append(Aim(f"instructions for an echo: {mine}", on_epoll.figure(mine, "instructions"), 300, "instructions"))
    return section
