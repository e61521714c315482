"""How large the program of an echo server is."""
import shutil
import subprocess
import tempfile
from pathlib import Path

from measuring.rounds import interleave
from measuring.setting import Unavailable
from measuring.subjects import ASIO_CALLBACKS, ASIO_COROUTINES, BIGHT_ECHO, LIBEVENT, LIBUV, RAW_EPOLL
from report.model import Chart, Group, Section, Table

from .common import bars, rows

SUBJECTS = [RAW_EPOLL, BIGHT_ECHO[0], ASIO_COROUTINES, ASIO_CALLBACKS, LIBUV, LIBEVENT]
TEXT = """\
The stripped echo servers. bight is a static library in its program, all demultiplexers included; Asio is headers only; libuv and libevent are
shared libraries, which come on top of their programs."""


def shared_library_size(path, beginning):
    """Of the shared library whose name begins so; 0 if the program needs none."""
    needed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
    for line in needed.splitlines():
        words = line.split()
        if words[0].startswith(beginning) and len(words) > 2:
            return Path(words[2]).resolve().stat().st_size
    return 0


def run(setting):
    if not shutil.which("strip"):
        raise Unavailable("strip is not installed")

    def measure(subject):
        path = subject.path(setting)
        with tempfile.TemporaryDirectory() as folder:
            stripped = Path(folder) / "program"
            subprocess.run(["strip", "-o", stripped, path], check=True)
            library = shared_library_size(path, {LIBUV: "libuv", LIBEVENT: "libevent_core"}.get(subject, "libbight"))
            return {"program": stripped.stat().st_size / 1024, "all": (stripped.stat().st_size + library) / 1024}
    measured = interleave(setting, SUBJECTS, measure)
    return Section(
        "size", "Size of the program", TEXT,
        tables=[Table(["echo server", "program, KiB", "with its library, KiB"],
                      rows(measured, lambda name: measured.figure(name, "program"), lambda name: measured.figure(name, "all")))],
        charts=[Chart("size", "Echo server, stripped, with its library", "KiB",
                      [Group("", bars(measured, lambda name: measured.figure(name, "all")))])],
        notes=measured.notes)
