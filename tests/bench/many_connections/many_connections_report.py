"""The page of many_connections.py, from what it has measured."""
import os
import platform
import resource

MILLION = 1000000
MACHINE = 24 << 30
KEEP_ALIVE = 30  # seconds between two of a client, for the calculation


def cost(run):
    """CPU time for an exchange, in µs."""
    return run["cpu"] / max(run["exchanges"], 1) * 1e6


def kernel(run):
    """The kernel's bytes for both ends of a connection."""
    return sum(run["slabs"].values()) + run["dentry"] + max(run["buffers"], 0)


def timers_of(run):
    return (f"{run['idle']} s" if run["idle"] else "none") + (", the sample" if run["sample"] else "")


def in_all(runs):
    rows = ["| demultiplexer | timers | servers | memory, B | resident, B | memory afterwards, B | page tables | exchanges | unanswered, lost, late "
            "| CPU for an exchange | load of all servers |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for run in runs:
        seconds = run["exchanges"] * run["period"] / run["connections"]
        rows.append(f"| {run['demultiplexer']} | {timers_of(run)} | {run['servers']} "
                    f"| {run['own']:.0f} | {run['resident']:.0f} | {run['own_after']:.0f} | {run['tables']:.0f} | {run['exchanges']:,} "
                    f"| {run['unanswered']}, {run['lost']}, {run['late']} | {cost(run):.1f} µs "
                    f"| {run['cpu'] / max(seconds, 1e-9) * 100:.1f} % of a core |")
    return rows


def timers(runs):
    lines = []
    for kind in dict.fromkeys(run["demultiplexer"] for run in runs):
        pair = {bool(run["idle"]): run for run in runs if run["demultiplexer"] == kind and not run["sample"]}
        if len(pair) == 2:
            lines.append(f"- On {kind} a timer costs {pair[True]['own'] - pair[False]['own']:+.0f} B, and "
                         f"{cost(pair[True]) - cost(pair[False]):+.2f} µs for an exchange.")
    return lines


def in_one(runs):
    rows = ["| demultiplexer | connections in one process | exchanges a second | CPU for an exchange | against the fewer |",
            "| --- | --- | --- | --- | --- |"]
    first = {}
    for run in runs:
        few = first.setdefault(run["demultiplexer"], run)
        rows.append(f"| {run['demultiplexer']} | {run['connections']:,} | {run['connections'] / run['period']:.0f} "
                    f"| {cost(run):.1f} µs | {cost(run) / max(cost(few), 1e-9):.2f} × |")
    return rows


def of_the_kernel(runs):
    if not all(run["slabs"] for run in runs):
        return ["What the kernel has for a connection only root may see (/proc/slabinfo): it was not measured here."]
    largest = {}
    for run in runs:
        for name, size in run["slabs"].items():
            largest[name] = max(size, largest.get(name, 0))
    rows = ["| bytes for both ends, of | " + " | ".join(run["demultiplexer"] for run in runs) + " |",
            "| --- |" + " --- |" * len(runs)]

    def row(name, value):
        rows.append(f"| {name} | " + " | ".join(f"{value(run):.0f}" for run in runs) + " |")

    for name in sorted(largest, key=largest.get, reverse=True):
        row(name, lambda run, name=name: run["slabs"].get(name, 0))
    row("dentry, one for each descriptor", lambda run: run["dentry"])
    row("buffers of TCP, at rest", lambda run: max(run["buffers"], 0))
    row("all", kernel)
    return rows


def of_a_million(runs):
    if not all(run["slabs"] for run in runs):
        return ["Not calculated: what the kernel has for a connection was not measured."]
    rows = ["| | " + " | ".join(run["demultiplexer"] for run in runs) + " |", "| --- |" + " --- |" * len(runs)]

    def row(name, value):
        rows.append(f"| {name} | " + " | ".join(value(run) for run in runs) + " |")

    def gib(size):
        return f"{size * MILLION / (1 << 30):.2f} GiB"

    def all_of(run):
        return run["own_after"] + run["tables"] + kernel(run) / 2

    row("bight: the connection, its coroutine, its timer", lambda run: gib(run["own_after"]))
    row("page tables of the servers", lambda run: gib(run["tables"]))
    row("the kernel: half of what both ends have", lambda run: gib(kernel(run) / 2))
    row("together", lambda run: gib(all_of(run)))
    row("of 24 GiB", lambda run: f"{all_of(run) * MILLION / MACHINE:.0%}")
    row(f"CPU for a keep-alive of each every {KEEP_ALIVE} s",
        lambda run: f"{cost(run) * MILLION / KEEP_ALIVE / 1e6:.2f} cores")
    return rows


def report(arguments, all_of_them, one_process):
    with_timers = [run for run in all_of_them if run["idle"] and not run["sample"]]
    release = platform.release().split("-")[0]
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    lines = ["# Many connections", "",
             f"{arguments.connections:,} quiet clients, each of which sends a record of 16 bytes (a keep-alive of the sample "
             f"[keepalive](../../samples/keepalive.cpp)) every {arguments.period:g} s and is answered, "
             "held for "
             f"{arguments.seconds} s; `serve` with an `idle_timeout` of six periods for each, and without; and the sample itself, which "
             "reads records and moves a deadline with each. `python3 "
             "tests/bench/many_connections/many_connections.py BUILD` repeats it, and `sh tests/run.sh bench` writes this page.", "",
             f"Measured on Linux {release} with {os.cpu_count()} processors and {memory:.0f} GiB, servers "
             f"and clients on the same machine, over 127.0.0.0/8. A process may have {descriptors:,} descriptors here: so the servers share "
             "the port (SO_REUSEPORT), and the clients have several addresses. CPU time is the servers' own, with the "
             "system calls and what of the network runs in them; memory is what the servers have of their own for each connection, "
             "which has been answered once and waits (of the proportional set size what is no file's); the kernel's is further "
             "below. Each figure is of one run.", "", "## All of them", ""]
    lines += in_all(all_of_them) + [""] + timers(all_of_them)
    lines += ["", "A timer is moved by storing a number (`lib/core/lazy_timer.cpp`), and looked at when its old deadline has come: "
              "once in an `idle_timeout`, however many records come. A µs or two between runs is the machine's.", "",
              "\"Late\" is an answer that came after the next record was due.", "",
              "## Connections that are only there", "",
              "As many exchanges a second, on few connections and on many, in one process, and so few that each wakes the server "
              "for itself. epoll and io_uring are asked about those "
              "that have something to say; poll and select look at all of them each time, and `select` has no descriptor "
              "above 1,023, so it is not here: a connection that it cannot have is refused, and the server goes on.", ""]
    lines += in_one(one_process)
    lines += ["", "## What the kernel has", "",
              "For both ends of a connection, which are here on one machine, from the caches of /proc/slabinfo before and after. A server has half.", ""]
    if with_timers:
        lines += of_the_kernel(with_timers)
        lines += ["", "## 1,000,000 on a machine of 24 GiB", "", "Calculated from the figures above.", ""]
        lines += of_a_million(with_timers)
        lines += ["",
                  "What it needs besides: descriptors (`fs.nr_open` and the limit of open files; or a process for each so many, as here); "
                  "`net.ipv4.tcp_mem`, whose limits are for buffers in use, not for connections; `nf_conntrack_max`, where "
                  "connections are tracked, and 256 B for each; and no ports, for a server's connections all have its own. "
                  "Buffers are what is left: when every client sends at once, each record lies in a socket's buffer of at least 2 KiB until "
                  "it is read."]
    return "\n".join(lines) + "\n"
