#!/usr/bin/env python3
"""Many quiet connections with keep-alives: what they cost in memory and CPU time.

usage: many_connections.py BUILD [--connections N] [--seconds N] [--period SECONDS] [--report FILE] [--short]

BUILD          a release build with the benchmarks
--connections  so many at once (50000), in as many server processes on one port as the limit of descriptors asks for
--seconds      for so long (60)
--period       each makes an exchange so often (10)
--report       writes the page docs/benchmarks/many_connections.md, or another file
--short        2,000 connections, 5 s, an exchange every second: whether it works, and figures near the true ones

1. All of them, on io_uring and on epoll, with a keep-alive timer for each and without; and with the sample
   keepalive as the server, if the build has the samples.
2. A fifth, and a fiftieth, in one process on each demultiplexer that can, with the same number of exchanges each second:
   what a connection costs that is only there.
3. By calculation from these: 1,000,000 on one machine of 24 GiB.

Exits with 1 when a connection was lost, or an exchange was not answered.
"""
import argparse
import resource
import signal
import sys
from pathlib import Path

import memory_of
from held_connections import Clients, Servers, Unavailable
from many_connections_report import report

WARM_UP = 100


def most_in_a_process():
    """The limit of descriptors, less what the kernel's hash of addresses may give a server more than its share."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return max(int(limit * 0.85) - 50, WARM_UP)


class Memory:
    """Of the servers, and of the kernel for both ends of the connections, now."""

    def __init__(self, servers):
        self.own, self.resident = memory_of.process_bytes(servers)
        self.tables = memory_of.table_bytes(servers)
        self.slabs = memory_of.slab_bytes()
        self.buffers = memory_of.buffer_bytes()


def sample_in(build):
    """The sample keepalive, or None."""
    path = Path(build).resolve() / "samples" / "keepalive"
    return path if path.exists() else None


def measure(arguments, demultiplexer, connections, period, idle, sample=None):
    """Holds the connections; {name: figure}."""
    each = most_in_a_process()
    number = -(-connections // each)
    programs = Path(arguments.build).resolve() / "tests" / "bench"
    servers = Servers(programs, demultiplexer, number, idle, sample)
    clients = None
    try:
        # So that what a server has once, however many connections, is touched before.
        warm = Clients(programs, servers.port, WARM_UP * number, WARM_UP * number, 0.05, 1)
        warm.exchange()
        warm.end()
        before = Memory(servers.pids)
        clients = Clients(programs, servers.port, connections, each, period, arguments.seconds)
        held = Memory(servers.pids)
        cpu = memory_of.cpu_seconds(servers.pids)
        figures = clients.exchange()
        figures["cpu"] = memory_of.cpu_seconds(servers.pids) - cpu
        after = Memory(servers.pids)
    finally:
        said = clients.end() if clients else ""
        said += servers.end()
    if said:
        print(said, file=sys.stderr)
    growth = {name: (size - before.slabs.get(name, 0)) / connections for name, size in held.slabs.items()}
    figures.update({
        "demultiplexer": demultiplexer, "connections": connections, "period": period, "idle": idle, "servers": number,
        "sample": sample is not None,
        "resident": (held.resident - before.resident) / connections,
        "own": (held.own - before.own) / connections,
        "own_after": (after.own - before.own) / connections,
        "tables": (held.tables - before.tables) / connections,
        "buffers": (held.buffers - before.buffers) / connections,
        "slabs": {name: size for name, size in growth.items() if size >= 8},
        "dentry": memory_of.dentry_bytes() * 2 if growth else 0,
    })
    return figures


def tried(arguments, demultiplexer, connections, period, idle, sample=None):
    """The figures, or None: then it has said why they cannot be had."""
    what = f"{connections} connections on {demultiplexer}, {'with' if idle else 'without'} timers"
    if sample:
        what += ", to the sample"
    try:
        figures = measure(arguments, demultiplexer, connections, period, idle, sample)
    except Unavailable as why:
        print(f"left out: {what}: {why}", flush=True)
        return None
    print(f"{what}: {figures['exchanges']} exchanges, {figures['unanswered']} unanswered, {figures['lost']} lost, "
          f"{figures['late']} late, the clients held up for {figures['held_up']} ms; {figures['own']:.0f} B each, "
          f"{figures['cpu'] / max(figures['exchanges'], 1) * 1e6:.1f} µs CPU for an exchange", flush=True)
    return figures


def main():
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that all that it has started ends
    about, usage, options = __doc__.split("\n\n", 2)
    parser = argparse.ArgumentParser(usage=usage[7:], description=about, epilog=options,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--connections", type=int)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--period", type=float)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--short", action="store_true")
    arguments = parser.parse_args()
    arguments.connections = arguments.connections or (2000 if arguments.short else 50000)
    arguments.seconds = arguments.seconds or (5 if arguments.short else 60)
    arguments.period = arguments.period or (1 if arguments.short else 10)
    if min(arguments.connections // 50, arguments.seconds, arguments.period) <= 0:
        sys.exit("many_connections.py: at least 50 connections, a second, and a period above 0")
    for name in ("hold", "keepalive_server"):
        if not (Path(arguments.build) / "tests" / "bench" / name).exists():
            sys.exit(f"many_connections.py: there is no {name} in {arguments.build}/tests/bench: "
                     f"ninja -C {arguments.build} tests/bench/{name}")

    idle = max(int(arguments.period * 6), 2)  # nobody is silent for so long
    sample = sample_in(arguments.build)
    if not sample:
        print(f"left out: the sample keepalive is not in {arguments.build}", flush=True)
    servers = [(idle, None), (None, None)] + ([(idle, sample)] if sample else [])
    all_of_them = [tried(arguments, kind, arguments.connections, arguments.period, timers, server)
                   for kind in ("io_uring", "epoll") for timers, server in servers]
    rate = max(arguments.connections / 500, 50)  # so few that each wakes the server for itself
    in_one = [tried(arguments, kind, number, number / rate, None)
              for kind in ("io_uring", "epoll", "poll")
              for number in (arguments.connections // 50, min(arguments.connections // 5, most_in_a_process()))]
    runs = [run for run in all_of_them + in_one if run]
    text = report(arguments, [run for run in all_of_them if run], [run for run in in_one if run])
    print(text)
    if arguments.report:
        arguments.report.write_text(text)
    bad = sum(run["lost"] + run["unanswered"] for run in runs)
    print(f"{len(runs)} runs, {sum(run['exchanges'] for run in runs)} exchanges, {bad} lost or unanswered")
    sys.exit(1 if bad or not runs else 0)


if __name__ == "__main__":
    main()
