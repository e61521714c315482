"""The latency of clients beside one that floods the server."""
from measuring.processes import background_load, load, server
from measuring.rounds import interleave
from measuring.subjects import ECHO, RAW_ECHO
from report.model import Chart, Group, Section, Table

from .common import bars, rows

CONNECTIONS, SIZE = 64, 64
FLOOD = (1, 65536, 16)  # connections, size, messages on their way
TEXT = """\
64 clients send 64 bytes and wait for them, while another one keeps 16 messages of 64 KiB on their way. A server that serves the loud one for
as long as it has something lets the others wait. Both loads share a processor, which is in the figures of all servers."""


def run(setting):
    def measure(subject):
        with server(setting, subject) as (port, _), background_load(setting, "load", port, *FLOOD, 300):
            return load(setting, "load", port, CONNECTIONS, SIZE, 1, setting.seconds)
    measured = interleave(setting, ECHO, measure)
    best = measured.best_of(RAW_ECHO, "p99")
    return Section(
        "neighbour", "Beside a loud neighbour", TEXT,
        tables=[Table(["server", "p50, µs", "p99, µs", f"p99, × {best}", "messages of the 64 in a second"],
                      rows(measured, lambda name: measured.figure(name, "p50"), lambda name: measured.figure(name, "p99"),
                           lambda name: measured.ratio(name, "p99", best), lambda name: measured.figure(name, "rate")))],
        charts=[Chart("neighbour", "64 clients beside one that floods: latency at the 99th percentile", "µs",
                      [Group("", bars(measured, lambda name: measured.figure(name, "p99")))])],
        notes=measured.notes)
