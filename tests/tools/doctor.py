#!/usr/bin/env python3
"""Runs `bight doctor` itself: here, with little, and in a container that refuses io_uring and has no IPv6.

usage: doctor.py BIGHT CONFINED

The last line is a summary in the form of Catch2.
"""
import json
import os
import resource
import subprocess
import sys

STATES = ["fine", "note", "problem"]
KEYS = ["group", "name", "state", "found", "advice"]
EXPECTED = {
    "demultiplexers": {"io_uring", "epoll", "poll", "select", "reactor"},
    "kernel": {"version", "filter", "eventfd2", "accept4", "RWF_NOSIGNAL"},  # and those of each demultiplexer
    "limits": {"open_files", "locked_memory", "threads"},
    "network": {"ipv4", "ipv6", "backlog", "local_ports"},
    "names": {"sources", "servers", "localhost"},
}

checks = failures = 0


def check(holds, what):
    global checks, failures
    checks += 1
    if not holds:
        failures += 1
        print(f"FAILED: {what}")


def run(*command, environment=(), descriptors=None, stdout=subprocess.PIPE):
    def limit():
        if descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, descriptors)

    surroundings = {name: value for name, value in os.environ.items() if name != "BIGHT_REACTOR"}
    surroundings.update(environment)
    return subprocess.run(command, env=surroundings, preexec_fn=limit, stdin=subprocess.DEVNULL, stdout=stdout,
                          stderr=subprocess.PIPE, text=True, encoding="ascii")


def findings_of(result):
    """{(group, name): finding} of the JSON that it printed, after looks at its form and at the exit status."""
    report = json.loads(result.stdout)
    check(list(report) == ["bight", "kernel", "state", "findings"], f"the keys are {list(report)}")
    findings = {}
    for finding in report["findings"]:
        check(list(finding) == KEYS and all(isinstance(finding[key], str) for key in KEYS), f"the keys of {finding}")
        check(finding["state"] in STATES and finding["found"], f"{finding}")
        check(finding["state"] == "fine" or finding["advice"] or finding["name"] == "reactor", f"no advice in {finding}")
        check((finding["group"], finding["name"]) not in findings, f"{finding} is there twice")
        findings[finding["group"], finding["name"]] = finding
    for group, names in EXPECTED.items():
        missing = names - {name for of, name in findings if of == group}
        check(not missing, f"{group} has no {missing}")
    worst = max((f["state"] for f in findings.values()), key=STATES.index)
    check(report["state"] == worst, f"the state is {report['state']}, not {worst}")
    check(result.returncode == (1 if worst == "problem" else 0), f"{worst}, and status {result.returncode}")
    return findings


def try_here(bight):
    result = run(bight, "doctor")
    check(result.returncode in (0, 1) and not result.stderr, f"status {result.returncode}, {result.stderr}")
    check(result.stdout.startswith("bight "), result.stdout)
    for line in result.stdout.splitlines():
        check(len(line) <= 80, f"more than 80 columns: {line}")
    findings = findings_of(run(bight, "doctor", "--json"))
    for _, name in findings:
        check(name in result.stdout, f"the text has no {name}")
    works = [f["name"] for f in findings.values() if f["group"] == "demultiplexers" and f["found"].startswith("works")]
    check(f"takes {works[0]}" in findings["demultiplexers", "reactor"]["found"], f"{works}")


def try_with_little(bight):
    few = findings_of(run(bight, "doctor", "--json", "--connections", "100", descriptors=(64, 64)))["limits", "open_files"]
    check(few["state"] == "problem" and "RLIMIT_NOFILE is 64" in few["found"], f"{few}")
    check("LimitNOFILE=150" in few["advice"], f"{few}")
    enough = findings_of(run(bight, "doctor", "--json", "--connections", "10", descriptors=(64, 64)))["limits", "open_files"]
    check(enough["state"] == "fine", f"{enough}")
    # Too few for a demultiplexer at all, and for a search for leaks.
    sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    none = run(bight, "doctor", "--json", environment={"ASAN_OPTIONS": sanitizer}, descriptors=(4, 4))
    epoll = findings_of(none)["demultiplexers", "epoll"]
    check(epoll["advice"] == "see open_files below" and none.returncode == 1, none.stdout)
    # Enough for a reactor, and not for a connection.
    for descriptors in range(5, 9):
        result = run(bight, "doctor", "--json", environment={"ASAN_OPTIONS": sanitizer}, descriptors=(descriptors,) * 2)
        for (group, name), finding in findings_of(result).items():
            if group == "demultiplexers" and "Too many open files" in finding["found"]:
                check(finding["advice"] == "see open_files below", f"with {descriptors}: {finding}")


def try_without_network(bight):
    cannot = run("unshare", "-rn", "true")
    if cannot.returncode != 0:
        print(f"left out: bight doctor without a network: {cannot.stderr.strip()}")
        return
    findings = findings_of(run("unshare", "-rn", bight, "doctor", "--json"))
    check("lo up" in findings["network", "ipv4"]["advice"], f"{findings['network', 'ipv4']}")
    for (group, name), finding in findings.items():
        if group == "demultiplexers" and "127.0.0.1" in finding["found"]:
            check(finding["state"] == "note" and finding["advice"] == "see ipv4 below", f"{finding}")


def try_environment(bight):
    for value, state in ("select", "note"), ("kqueue", "problem"), ("sim:1", "note"):
        found = findings_of(run(bight, "doctor", "--json", environment={"BIGHT_REACTOR": value}))
        check(found["demultiplexers", "reactor"]["state"] == state, f"{value}: {found['demultiplexers', 'reactor']}")
    for value, is_problem in ("100ms", False), ("abc", True):
        found = findings_of(run(bight, "doctor", "--json", environment={"BIGHT_STALL_LIMIT": value}))
        of_reactor = found["demultiplexers", "reactor"]
        check(("BIGHT_STALL_LIMIT" in of_reactor["advice"]) == is_problem, f"{value}: {of_reactor}")
        check(found["demultiplexers", "epoll"]["found"] == "works", f"{value}: {found['demultiplexers', 'epoll']}")


def try_mistakes(bight):
    for arguments in [], ["nonsense"], ["doctor", "--jsn"], ["doctor", "more"], ["doctor", "--connections"], \
            ["doctor", "--connections", "0"], ["doctor", "--connections", "-1"], ["doctor", "--connections", "many"]:
        result = run(bight, *arguments)
        check(result.returncode == 2 and result.stderr and not result.stdout,
              f"{arguments}: {result.returncode}, {result.stdout!r}, {result.stderr!r}")
    for arguments in ["--help"], ["doctor", "--help"], ["--version"]:
        result = run(bight, *arguments)
        check(result.returncode == 0 and result.stdout and not result.stderr, f"{arguments}: {result}")
    with open("/dev/full", "w") as full:
        result = run(bight, "doctor", stdout=full)
        check(result.returncode == 2 and "No space left" in result.stderr, f"{result}")
        result = run(bight, "--help", stdout=full)
        check(result.returncode == 2 and "No space left" in result.stderr, f"{result}")
    for arguments in "doctor", "doctor --json", "--help":
        result = run("sh", "-c", f'exec "$0" {arguments} >&-', bight)
        check(result.returncode == 2 and "Bad file descriptor" in result.stderr, f"{arguments}: {result}")


def try_confined(bight, confined):
    cannot = run(confined, "true")
    if cannot.returncode == 125:
        print(f"left out: bight doctor in a container: {cannot.stderr.strip()}")
        return
    findings = findings_of(run(confined, bight, "doctor", "--json"))
    uring = findings["demultiplexers", "io_uring"]
    # A build without liburing has nothing that could be refused.
    if "built without" not in uring["found"]:
        check(uring["state"] == "note" and "here it is the filter" in uring["found"], f"{uring}")
        check("seccomp" in uring["advice"], f"{uring}")
        check("refuses io_uring" in findings["kernel", "filter"]["found"], f"{findings['kernel', 'filter']}")
    check(findings["demultiplexers", "reactor"]["found"] == "takes epoll", f"{findings['demultiplexers', 'reactor']}")
    check(findings["network", "ipv4"]["state"] == "fine", f"{findings['network', 'ipv4']}")
    check(findings["network", "ipv6"]["state"] == "note" and findings["network", "ipv6"]["advice"],
          f"{findings['network', 'ipv6']}")
    asked_for = run(confined, bight, "doctor", environment={"BIGHT_REACTOR": "io_uring"})
    check(asked_for.returncode == 1 and "these work: epoll" in " ".join(asked_for.stdout.split()), asked_for.stdout)


def main():
    bight, confined = sys.argv[1:]
    cases = [try_here, try_with_little, try_without_network, try_environment, try_mistakes]
    failed = 0
    for case in cases + [lambda of: try_confined(of, confined)]:
        before = failures
        case(bight)
        failed += failures > before
    total = len(cases) + 1
    if failed:
        print(f"test cases: {total} | {total - failed} passed | {failed} failed")
        return 1
    print(f"All tests passed ({checks} assertions in {total} test cases)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
