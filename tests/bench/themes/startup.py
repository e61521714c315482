"""From the start of a server to its first answer."""
from measuring.processes import load
from measuring.rounds import interleave
from measuring.subjects import ECHO
from report.model import Chart, Group, Section, Table

from .common import bars, rows

STARTS = 20
TEXT = """\
A server is started, a client connects, echoes 64 bytes once, and the server is ended: the time that passed until then, and the processor time that the
server used, most of it for loading its libraries and for what the kernel sets up. The medians of 20 starts in each round."""


def run(setting):
    def measure(subject):
        return load(setting, "first_echo", setting.server_cpu, 2 if setting.quick else STARTS, subject.path(setting),
                    environment=subject.environment)
    measured = interleave(setting, ECHO, measure)
    return Section(
        "startup", "Start-up", TEXT,
        tables=[Table(["server", "processor time, µs", "time, µs"],
                      rows(measured, lambda name: measured.figure(name, "cpu"), lambda name: measured.figure(name, "passed")))],
        charts=[Chart("startup", "From the start to the first echo: processor time of the server", "µs",
                      [Group("", bars(measured, lambda name: measured.figure(name, "cpu")))])],
        notes=measured.notes)
