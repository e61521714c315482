"""Connections that are held: server processes that share a port, and the processes of their clients."""
import os
import re
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

LISTENING = "0A"


class Unavailable(Exception):
    """A demultiplexer that cannot be had here, or cannot hold so many connections; says why."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listeners_at(port):
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    words = (line.split() for line in lines)
    return sum(1 for w in words if w[1].endswith(f":{port:04X}") and w[3] == LISTENING)


class Servers:
    """`number` of them on `demultiplexer`; `idle` seconds of silence end a connection, or none does. With `sample`
    they are the sample keepalive, which looks at records."""

    def __init__(self, programs, demultiplexer, number, idle=None, sample=None):
        self.port = free_port()
        if sample:
            command = [sample, "server", f"tcp:{self.port}:interface=127.0.0.1:reuse_port=yes", str(max(idle // 2, 1))]
        else:
            command = [programs / "keepalive_server", str(self.port)] + ([str(idle)] if idle else [])
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # theirs, too
        environment = dict(os.environ, BIGHT_REACTOR=demultiplexer)
        self.processes = [subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                           stderr=subprocess.PIPE, text=True) for _ in range(number)]
        self.pids = [p.pid for p in self.processes]
        deadline = time.monotonic() + 30
        while listeners_at(self.port) < number:
            ended = [p for p in self.processes if p.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise Unavailable(self.end() or "the servers do not listen")
            time.sleep(0.02)

    def end(self):
        """Ends them, and gives what they said."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        return "".join(process.communicate(timeout=60)[1] for process in self.processes).strip()


class Clients:
    """`number` connections in processes that hold at most `of_each`; they are there when this returns."""

    def __init__(self, programs, port, number, of_each, period, seconds):
        shares = [of_each] * (number // of_each)
        if number % of_each:
            shares.append(number % of_each)
        self.processes = [subprocess.Popen([programs / "hold", str(port), str(share), str(int(period * 1000)),
                                            str(seconds), str(source)],
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                           text=True) for source, share in enumerate(shares, 1)]
        for process in self.processes:
            if not process.stdout.readline().startswith("held="):
                raise Unavailable(self.end())

    def exchange(self):
        """Lets them make their exchanges. The sums; of latencies the worst of a process."""
        for process in self.processes:
            process.stdin.write("\n")
            process.stdin.flush()
        result = {}
        for process in self.processes:
            for name, value in re.findall(r"(\w+)=(\d+)", process.stdout.readline()):
                before = result.get(name, 0)
                is_latency = name in ("p50", "p99", "longest")
                result[name] = max(before, int(value)) if is_latency else before + int(value)
        return result

    def end(self):
        for process in self.processes:
            process.stdin.close()
        said = ""
        for process in self.processes:
            said += process.stderr.read()
            process.wait(timeout=120)
        return said.strip()
