"""A proxy between two sockets."""
import dataclasses
import tempfile
from pathlib import Path

from measuring.processes import free_port, load, server
from measuring.rounds import interleave
from measuring.subjects import PEER, RAW, Subject, bight
from report.model import Aim, Chart, Group, Section, Table

from .common import bars, beside, bights, rows

GIB = 1 << 30
SPLICE = "bare splice"
TEXT = """\
1 GiB through a proxy. bight's is `relay(client, server)`; the bare ones pass one direction on and nothing else, within the kernel
(splice(2), through a pipe of 256 KiB) or through 256 KiB of memory. HAProxy has one thread, and splices both ways (`option splice-request`, `option splice-response`)."""

HAPROXY = Subject("HAProxy", PEER, "haproxy", ("-db", "-f", "{configuration}"), package="haproxy", installed=True)
HAPROXY_CONFIGURATION = """\
global
    nbthread 1
    maxconn 100
defaults
    mode tcp
    option splice-request
    option splice-response
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen proxy
    bind 127.0.0.1:{port}
    server target 127.0.0.1:{target}
"""

SUBJECTS = [
    Subject(SPLICE, RAW, "raw_relay", ("splice", "{target}", "{port}")),
    Subject("bare recv, send", RAW, "raw_relay", ("copy", "{target}", "{port}")),
    *bight("relay", "{target}", "{port}"),
    HAPROXY,
]


@dataclasses.dataclass(frozen=True)
class Configured:
    """HAProxy with a file for the port that it is given."""
    folder: Path
    name: str = HAPROXY.name
    family: str = HAPROXY.family
    environment: dict = dataclasses.field(default_factory=dict)

    def command_for(self, setting, **places):
        path = self.folder / f"{places['port']}.cfg"
        path.write_text(HAPROXY_CONFIGURATION.format(**places), encoding="ascii")
        return HAPROXY.command_for(setting, configuration=path)


def run(setting):
    section = Section("relay", "Relay", TEXT)
    size = GIB // 64 if setting.quick else GIB
    with tempfile.TemporaryDirectory() as folder:
        def measure(subject):
            target = free_port(setting)
            started = Configured(Path(folder)) if subject is HAPROXY else subject
            with server(setting, started, target=target) as (port, pid):
                return load(setting, "pump", "relay", port, target, size, pid)
        measured = interleave(setting, SUBJECTS, measure)
    section.notes = measured.notes
    section.tables.append(Table(
        ["proxy", "processor time, ms for each GiB", "GiB in a second"],
        rows(measured, lambda name: measured.figure(name, "cpu"), lambda name: measured.figure(name, "rate"))))
    section.charts.append(Chart("relay", "A proxy: its processor time for each GiB", "ms",
                                [Group("", bars(measured, lambda name: measured.figure(name, "cpu")))]))
    if SPLICE in measured:
        section.glance.append(beside("relay", measured, "cpu", SPLICE))
        section.aims = [Aim(f"relay: {name}", measured.ratio(name, "cpu", SPLICE), 1.10, "× bare splice") for name in bights(measured)]
    return section
