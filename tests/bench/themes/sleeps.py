"""How often an echo server sleeps, and what a message's work does to the latency."""
import re
from pathlib import Path

from measuring.processes import load, server
from measuring.rounds import interleave
from measuring.subjects import ASIO_COROUTINES, BIGHT_ECHO, RAW_EPOLL, RAW, Subject
from report.model import Section, Table

from .common import rows

CONNECTIONS, SIZE = 64, 64
MORE_WORK = [Subject(f"bare epoll, {name}", RAW, "raw_epoll", ("{port}", argument))
             for name, argument in [("0.5 µs of nothing", "500"), ("1 µs of nothing", "1000"), ("2 µs of nothing", "2000"),
                                    ("a second recv", "again")]]
TEXT = """\
64 clients send 64 bytes and wait for them. A server that is done before the next message has come sleeps, and what wakes it takes time, on a
virtual machine most of all. The bare server is given more to do for each message: nothing for so long, or a recv that finds nothing, as it
is made by a server that tries to read before it waits. [Why](why.md) the tail of the quickest server may be the longest."""


def times_slept(pid):
    """Since it was started: waits in which it gave its processor up (proc(5))."""
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M).group(1))


def run(setting):
    def measure(subject):
        with server(setting, subject) as (port, pid):
            measured = load(setting, "load", port, CONNECTIONS, SIZE, 1, setting.seconds, pid)
            return {**measured, "sleeps": 1000 * times_slept(pid) / measured["total"]}
    measured = interleave(setting, [RAW_EPOLL, *MORE_WORK, *BIGHT_ECHO, ASIO_COROUTINES], measure)
    columns = {"messages in a second": "rate", "p50, µs": "p50", "p99, µs": "p99", "processor time of a message, µs": "cpu",
               "sleeps for 1,000 messages": "sleeps"}
    return Section("sleeps", "Sleeps, and the tail of the latency", TEXT, tables=[
        Table(["server", *columns], rows(measured, *[lambda name, metric=metric: measured.figure(name, metric) for metric in columns.values()]))],
        notes=measured.notes)
