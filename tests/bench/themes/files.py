"""A file that goes out as it is."""
from measuring.processes import load, server
from measuring.rounds import interleave
from measuring.subjects import RAW, Subject, bight
from report.model import Aim, Chart, Group, Section, Table

from .common import bars, beside, bights, rows

GIB = 1 << 30
SENDFILE = "bare sendfile"
TEXT = """\
1 GiB of a file in the page cache to one client: bight's `send_file`, and bare calls, sendfile(2) or pread and send, 256 KiB at a time."""


def run(setting):
    section = Section("files", "Files", TEXT)
    size = GIB // 64 if setting.quick else GIB
    subjects = [
        Subject(SENDFILE, RAW, "raw_file", ("sendfile", str(size), "{port}")),
        Subject("bare pread, send", RAW, "raw_file", ("copy", str(size), "{port}")),
        *bight("file_server", str(size), "{port}"),
    ]

    def measure(subject):
        with server(setting, subject) as (port, pid):
            return load(setting, "pump", "source", port, size, pid)
    measured = interleave(setting, subjects, measure)
    section.notes = measured.notes
    section.tables.append(Table(
        ["server", "processor time, ms for each GiB", "GiB in a second"],
        rows(measured, lambda name: measured.figure(name, "cpu"), lambda name: measured.figure(name, "rate"))))
    section.charts.append(Chart("files", "A file: processor time of the server for each GiB", "ms",
                                [Group("", bars(measured, lambda name: measured.figure(name, "cpu")))]))
    if SENDFILE in measured:
        section.glance.append(beside("file", measured, "cpu", SENDFILE))
        section.aims = [Aim(f"file: {name}", measured.ratio(name, "cpu", SENDFILE), 1.10, "× bare sendfile") for name in bights(measured)]
    return section
