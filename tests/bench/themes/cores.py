"""Two reactors against one."""
import os

from measuring.processes import load, server
from measuring.rounds import interleave
from measuring.subjects import BIGHT, Subject
from report.model import Aim, Chart, Group, Section, Table
from measuring.setting import Unavailable

from .common import bars, rows

CONNECTIONS, SIZE = 64, 64
STEPS = 200_000
TEXT = """\
`serve_on` with one reactor and with two, each with a socket of its own (SO_REUSEPORT). For each message the server computes for about a quarter
of a millisecond: on a machine of two processors the load needs one of them, and with the work of an echo alone the second reactor would
have none. What this shows is that reactors do not wait for each other; not how many messages without work a machine of many processors
serves. Each reactor is pinned to a processor; the load goes where there is room."""


def run(setting):
    if len(os.sched_getaffinity(0)) < 2:
        raise Unavailable("there is one processor")
    subjects = [Subject(f"{reactors} reactor{'s' if reactors > 1 else ''}, {reactor}", BIGHT, "work_server",
                        (str(reactors), str(STEPS), "{port}"), reactor=reactor)
                for reactor in ("epoll", "io_uring") for reactors in (1, 2)]

    def measure(subject):
        with server(setting, subject, pinned=False) as (port, pid):
            return load(setting, "load", port, CONNECTIONS, SIZE, 1, setting.seconds, pid, pinned=False)
    measured = interleave(setting, subjects, measure)
    aims = [Aim(f"two reactors against one: {reactor}", measured.ratio(f"2 reactors, {reactor}", "rate", f"1 reactor, {reactor}"), 1.8,
                "×", at_least=True)
            for reactor in ("epoll", "io_uring") if f"1 reactor, {reactor}" in measured and f"2 reactors, {reactor}" in measured]
    return Section(
        "cores", "Two reactors", TEXT,
        tables=[Table(["server", "messages in a second", "processors that it used"],
                      rows(measured, lambda name: measured.figure(name, "rate"), lambda name: measured.figure(name, "load")))],
        charts=[Chart("cores", "Messages in a second, with work for each", "/s",
                      [Group("", bars(measured, lambda name: measured.figure(name, "rate")))])],
        aims=aims, notes=measured.notes)
