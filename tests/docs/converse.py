#!/usr/bin/env python3
"""Runs the server of a page, and talks to it as its clients do.

usage: converse.py DOCS_PROGRAMS PAGE STEP...

A step is NAME>TEXT, the client of that name sends this line, or NAME<TEXT, a line with this text is the next that it
gets, NAME. the end of what it gets, and with NAME/ it leaves. A client connects at its first step. The step "restart"
starts another server at the same socket, and sends a SIGTERM to the one before, for whose end the step "ended" waits.
When all clients have left, the last server gets a SIGTERM. Each has to end in good order, with the status 128 + 15. The last line is a summary in the form of Catch2.
"""
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile

LIMIT = 60  # seconds; only what is wrong takes so long


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
        # The socket is the test's, and is listened at before the server begins: nobody comes too early.
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
                listener.close()  # the server's alone: when it ends, its clients hear of it
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
