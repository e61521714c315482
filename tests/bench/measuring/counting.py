"""Counting what noise cannot touch: instructions, allocations, system calls. Servers are measured in a short and a long run,
and their difference is taken: so beginning and ending do not count."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .processes import await_listening, free_port, load
from .setting import Unavailable

CONNECTIONS, SIZE, DEPTH = 64, 64, 1
ENDS_WITHIN = 60  # valgrind writes down what it has counted


def need(program):
    if not shutil.which(program):
        raise Unavailable(f"{program} is not installed")


def end(process):
    """SIGTERM for it and its children: strace passes none on."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in [process.pid] + [int(child) for child in children]:
        os.kill(pid, signal.SIGTERM)


def serve(setting, subject, prefix, seconds):
    """Echoes under a load for so long, the server behind `prefix`; the number of echoes, and what the server said."""
    port = free_port(setting)
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(prefix + subject.command_for(setting, port=port), env=dict(os.environ, **subject.environment),
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        try:
            await_listening(server, port, log)
            echoes = load(setting, "load", port, CONNECTIONS, SIZE, DEPTH, seconds)["total"]
        finally:
            if server.poll() is None:
                end(server)
            server.wait(ENDS_WITHIN)
        log.seek(0)
        return int(echoes), log.read().decode(errors="replace")


def callgrind(out):
    need("valgrind")
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]


def counted_by_callgrind(out):
    return int(re.search(r"^(?:summary|totals): *(\d+)", out.read_text(), re.M).group(1))


def instructions_of(command, environment):
    """Of a program that ends by itself."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "counts"
        subprocess.run(callgrind(out) + command, check=True, env=dict(os.environ, **environment), stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        return counted_by_callgrind(out)


def instructions(setting, subject, seconds):
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "counts"
        echoes, _ = serve(setting, subject, callgrind(out), seconds)
        return echoes, counted_by_callgrind(out)


def allocations(setting, subject, seconds):
    need("valgrind")
    echoes, said = serve(setting, subject, ["valgrind", "--tool=memcheck", "--leak-check=no"], seconds)
    return echoes, int(re.search(r"total heap usage: ([\d,]+) allocs", said).group(1).replace(",", ""))


def system_calls(setting, subject, seconds):
    need("strace")
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "calls"
        echoes, said = serve(setting, subject, ["strace", "-f", "-c", "-o", str(out)], seconds)
        total = re.search(r"^\s*100\.00\s+\S+\s+(?:\S+\s+)?(\d+)\s+(?:\d+\s+)?total$", out.read_text(), re.M)
        if not total:
            raise Unavailable(f"strace counted nothing here: {said.strip()[:200]}")
        return echoes, int(total.group(1))


def per_echo(count, setting, subject, short=1, long=3):
    """What `count`, one of the three above, counts for each echo of a server."""
    (few, first), (many, second) = (count(setting, subject, seconds) for seconds in (short, long))
    return (second - first) / (many - few)
