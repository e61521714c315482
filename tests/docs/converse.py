#!/usr/bin/env python3
"""Runs the server of a page, and talks to it like its clients.

usage: converse.py DOCS_PROGRAMS PAGE STEP...

The steps of a client: NAME>TEXT sends this line; NAME<TEXT expects it as the next line; NAME. expects the end of the
stream; NAME/ closes the connection. A client connects at its first step. The step "restart" starts another server
on the same socket, and sends SIGTERM to the first one; "ended" waits for the end of the first one. After the last step
all clients close their connections, and the server gets SIGTERM. Each server must exit with status 128 + 15. The last
line of the output is a summary in the form of Catch2.
"""
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile

LIMIT = 60  # seconds; reached only in a failure


def converse(connect, others, steps):
    clients = {}
    for step in steps:
        if step in others:
            others[step]()
            continue
        name, sign, text = re.fullmatch(r"(\w+)([<>./])(.*)", step).groups()
        if name not in clients:
            clients[name] = connect()
        to, lines = clients[name]
        if sign == ">":
            to.sendall(text.encode() + b"\r\n")
            continue
        if sign == "/":
            leave(*clients.pop(name))
            continue
        line = lines.readline().decode()
        if (line != "") if sign == "." else (line.rstrip("\r\n") != text or not line.endswith("\n")):
            raise AssertionError(f"at {step!r}: {name} got {line!r}")
    for client in clients.values():
        leave(*client)


def leave(to, lines):
    lines.close()
    to.close()


def run(program, page, steps):
    servers = []
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        # The test listens before the server starts, so that no client connects too early.
        path = f"{folder}/server"
        listener.bind(path)
        listener.listen()

        def start():
            servers.append(subprocess.Popen([pathlib.Path(program).resolve(), page, f"fd:{listener.fileno()}"],
                                            pass_fds=[listener.fileno()], cwd=folder))

        def restart():
            start()
            servers[-2].send_signal(signal.SIGTERM)

        def ended():
            status = servers[0].wait(LIMIT)
            servers.pop(0)
            if status != 128 + signal.SIGTERM:
                raise AssertionError(f"the server ended with {status} after SIGTERM")

        def connect():
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(LIMIT)
            client.connect(path)
            return client, client.makefile("rb")

        try:
            start()
            if "restart" not in steps:
                listener.close()  # only the server has it now: if it dies, its clients notice
            converse(connect, {"restart": restart, "ended": ended}, steps)
            servers[-1].send_signal(signal.SIGTERM)
            ended()
        finally:
            for server in servers:
                server.kill()
                server.wait()


def main():
    try:
        run(sys.argv[1], sys.argv[2], sys.argv[3:])
    except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
        print(f"{sys.argv[2]}: {error}")
        print("test cases: 1 | 1 failed")
        return 1
    print("All tests passed (1 assertion in 1 test case)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
