#!/usr/bin/env python3
"""Converses with the samples that were built for Windows, under Wine, and compares each transcript with that of the samples
of this machine.

    converse.py NATIVE_SAMPLES WINDOWS_SAMPLES [REACTOR...]

Linux clients (nc, telnet, the Linux samples) talk to Windows servers, and Windows clients to Linux servers, on 127.0.0.1. The
environment says which Wine is used. Prints a line for each conversation, with the difference where there is one; the last
line is "N passed, N failed".

What may differ is made equal first: the random names of clients, dates, and the carriage return that text output of C
programs has on Windows before each new line.
"""
import difflib
import os
import re
import socket
import subprocess
import sys
import threading
import time

PATIENCE = 60  # seconds, for what one side waits to hear
LONGEST = 150  # for a whole conversation


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Process:
    """A process whose standard output is collected. Its errors are not: Wine's and telnet's own messages are there."""

    def __init__(self, command, env=None):
        self.until = time.monotonic() + LONGEST
        self.output = b""
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, bufsize=0)
        self.ended = False
        threading.Thread(target=self.collect, daemon=True).start()

    def collect(self):
        while True:
            part = os.read(self.process.stdout.fileno(), 65536)
            with self.changed:
                self.output += part
                self.ended = not part
                self.changed.notify_all()
            if not part:
                return

    def patience(self):
        return max(0.0, min(PATIENCE, self.until - time.monotonic()))

    def say(self, data):
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def hears(self, text, count=1):
        """Waits until it has said `text` so many times; an error is part of the transcript."""
        with self.changed:
            self.changed.wait_for(lambda: self.output.count(text) >= count or self.ended, self.patience())
            if self.output.count(text) < count:
                self.output += b"\n(never said: " + text + b")\n"

    def hang_up(self):
        self.process.stdin.close()

    def wait(self):
        try:
            status = self.process.wait(self.patience())
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = "none: it did not end"
        with self.changed:
            self.changed.wait_for(lambda: self.ended, max(1, self.patience()))
        return status

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Stage:
    """Starts what a conversation needs, and ends it."""

    def __init__(self, server, client):
        self.start_server = server
        self.start_client = client
        self.until = time.monotonic() + LONGEST
        self.all = []

    def keep(self, process):
        process.until = self.until
        self.all.append(process)
        return process

    def wait_for_listener(self, port):
        # Not by a connection: some servers count them.
        until = min(self.until, time.monotonic() + PATIENCE)
        while time.monotonic() < until and not listens(port):
            time.sleep(0.02)

    def server(self, name):
        port = free_port()
        p = self.keep(self.start_server(name, "tcp:interface=127.0.0.1:port=%d" % port))
        self.wait_for_listener(port)
        return p, port

    def client(self, name, *args):
        return self.keep(self.start_client(name, *args))

    def run(self, *command):
        return self.keep(Process(list(command)))

    def nc(self, port):
        return self.run("nc", "-N", "127.0.0.1", str(port))

    def telnet(self, port):
        p = self.run("telnet", "127.0.0.1", str(port))
        p.hears(b"Escape character")
        return p

    def end(self):
        for p in self.all:
            p.end()


def listens(port):
    wanted = "0100007F:%04X" % port
    with open("/proc/net/tcp") as table:
        return any(line.split()[1] == wanted and line.split()[3] == "0A" for line in table.readlines()[1:])


def echo(on):
    _, port = on.server("echo")
    one = on.nc(port)
    one.say(b"one\n")
    one.hears(b"one\n")
    two = on.telnet(port)
    two.say(b"from telnet\n")
    two.hears(b"from telnet")
    one.say(b"three\n")
    one.hears(b"three\n")
    one.hang_up()
    status = one.wait()
    much = on.nc(port)
    data = bytes((i * 7 + i // 251) % 256 for i in range(1 << 20))
    threading.Thread(target=lambda: (much.say(data), much.hang_up())).start()
    much_status = much.wait()
    two.hang_up()
    two.wait()
    return {"nc": one.output, "its status": status, "telnet": two.output, "a megabyte": much.output == data,
            "its status, too": much_status}


def chat(on):
    _, port = on.server("chat")
    alice = on.nc(port)
    alice.hears(b"name?\r\n")
    alice.say(b"alice\r\n")
    alice.hears(b"Welcome, alice!\r\n")
    bob = on.telnet(port)
    bob.hears(b"name?")
    bob.say(b"alice\n")
    bob.hears(b"choose another.")
    bob.say(b"bob\n")
    bob.hears(b"Welcome, bob!")
    carol = on.nc(port)
    carol.hears(b"name?\r\n")
    carol.say(b"carol\r\n")
    carol.hears(b"Welcome, carol!\r\n")
    alice.say(b"hello\r\nsecond line\r\n")
    bob.hears(b"second line")
    carol.hears(b"<alice> second line\r\n")
    bob.say(b"hi\n")
    alice.hears(b"<bob> hi\r\n")
    carol.hears(b"<bob> hi\r\n")
    alice.hang_up()
    status = alice.wait()
    again = on.nc(port)
    again.hears(b"name?\r\n")
    again.say(b"alice\r\n")
    again.hears(b"Welcome, alice!\r\n")
    carol.say("Grüße\r\n".encode())
    again.hears("<carol> Grüße\r\n".encode())
    bob.hears("Grüße".encode())
    for p in (again, carol, bob):
        p.hang_up()
    return {"alice": alice.output, "status": status, "carol's": carol.wait(), "carol": carol.output,
            "again's": again.wait(), "again": again.output, "bob's": bob.wait() is not None, "bob": bob.output}


def broadcast(on):
    server, port = on.server("broadcast")
    one = on.nc(port)
    one.hears("用户!\n".encode())
    two = on.nc(port)
    two.hears("用户!\n".encode())
    server.hears(b"2 here")
    one.say(b"to the others\n")
    two.hears(b"to the others\n")
    two.say(b"\x00\x01\xff\n")
    one.hears(b"\x00\x01\xff\n")
    one.say(b"close\n")
    server.hears(b"1 here", 2)
    one.hang_up()  # nc waits for the end of its own input, too
    status = one.wait()
    two.hang_up()
    two_status = two.wait()
    server.hears(b"0 here")
    return {"one": one.output, "status": status, "two": two.output, "status, too": two_status, "server": server.output}


def broadcast_client(on):
    server, port = on.server("broadcast")
    listener = on.nc(port)
    listener.hears("用户!\n".encode())
    alice = on.client("broadcast_client", "Alice", "tcp:127.0.0.1:%d" % port)
    alice.hears("2 个客户端用户!".encode())
    server.hears(b"2 here")
    time.sleep(2)  # the answers, five seconds after each message, are read apart
    listener.say(b"good morning\n")
    alice.hears(b"good morning")
    listener.hears(b"hello, I'm Alice", 2)
    server.hears(b"spread message", 3)
    server.end()  # a reset, or an end, by the system: what the client says of it depends on what was on its way
    alice.wait()
    said = alice.output.split(b"Disconnected from the server!")[0]
    return {"alice": said, "listener": listener.output, "server": server.output}


def broadcast_client_leaves(on):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    alice = on.client("broadcast_client", "Alice", "tcp:127.0.0.1:%d" % listener.getsockname()[1])
    listener.settimeout(PATIENCE)
    peer, _ = listener.accept()
    peer.sendall(b"hello?")
    alice.hears(b"hello?")
    peer.close()
    listener.close()
    return {"status": alice.wait(), "alice": alice.output}


def broadcast_client_is_refused(on):
    alice = on.client("broadcast_client", "Alice", "tcp:127.0.0.1:%d" % free_port())
    status = alice.wait()
    # The reason is the system's text, in its words.
    said = re.sub(rb"Reason: .*", b"Reason: (in words)", alice.output.strip())
    return {"status": status, "alice": said, "gives a reason": b"Reason: " in alice.output}


def greeter(on):
    port = free_port()
    peer = on.run("nc", "-l", "127.0.0.1", str(port))
    on.wait_for_listener(port)
    it = on.client("greeter", "tcp:127.0.0.1:%d" % port)
    peer.hears(b"Hello\n")
    peer.hears(b"in a second\n")
    status = it.wait()
    peer.wait()
    return {"status": status, "greeter": it.output, "peer": peer.output}


def made_equal(value):
    if not isinstance(value, bytes):
        return value
    value = re.sub(rb"(client|from|connect:) [a-z0-9]{8}\b", rb"\1 (a name)", value)
    value = re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", b"(date)", value)
    return value


def text_output(value):
    return value.replace(b"\r\n", b"\n") if isinstance(value, bytes) else value


def play(conversation, server, client):
    on = Stage(server, client)
    try:
        transcript = conversation(on)
    finally:
        on.end()
    return {key: made_equal(value) for key, value in transcript.items()}


def lines_of(transcript):
    lines = []
    for key, value in sorted(transcript.items()):
        text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
        # Lines end as they were sent: what only prints to its own console is text_output().
        lines += ["%s: %s" % (key, line) for line in text.replace("\r", "\\r").split("\n")]
    return lines


def main():
    native, windows = sys.argv[1], sys.argv[2]
    reactors = sys.argv[3:] or ["iocp", "wfmo"]
    passed = failed = 0

    def on_linux(name, *args):
        return Process([os.path.join(native, name), *args])

    def on_windows(reactor):
        env = dict(os.environ, BIGHT_REACTOR=reactor)

        def start(name, *args):
            return Process(["wine", os.path.join(windows, name + ".exe"), *args], env)
        return start

    conversations = [
        # The conversation, what is on Windows in it, and the outputs that are a Windows program's own.
        (echo, ["server"], []),
        (chat, ["server"], []),
        (broadcast, ["server"], ["server"]),
        (broadcast_client, ["client"], ["alice"]),
        (broadcast_client, ["server"], ["server"]),
        (broadcast_client, ["server", "client"], ["server", "alice"]),
        (broadcast_client_leaves, ["client"], ["alice"]),
        (broadcast_client_is_refused, ["client"], ["alice"]),
        (greeter, ["client"], ["greeter"]),
    ]
    wanted = {}
    threads = []
    results = {}

    def one(conversation):
        wanted[conversation] = play(conversation, on_linux, on_linux)

    for conversation in {c[0] for c in conversations}:
        threads.append(threading.Thread(target=one, args=(conversation,)))

    def two(key, conversation, reactor, parts, outputs):
        there = on_windows(reactor)
        got = play(conversation, there if "server" in parts else on_linux, there if "client" in parts else on_linux)
        for output in outputs:
            got[output] = text_output(got[output])
        results[key] = got

    keys = []
    for conversation, parts, outputs in conversations:
        for reactor in reactors:
            key = (conversation, reactor, "%s, %s on Windows, %s" % (conversation.__name__, " and ".join(parts), reactor))
            keys.append(key)
            threads.append(threading.Thread(target=two, args=(key, conversation, reactor, parts, outputs)))
    running = []
    for t in threads:
        while len([r for r in running if r.is_alive()]) >= 6:
            time.sleep(0.02)
        t.start()
        running.append(t)
    for t in threads:
        t.join()
    for key in keys:
        expected = lines_of(wanted.get(key[0], {"no": "transcript of Linux"}))
        got = lines_of(results.get(key, {"no": "transcript of Windows"}))
        if expected == got:
            print("equal: %s (%d lines)" % (key[2], len(got)))
            passed += 1
        else:
            print("FAILED: %s" % key[2])
            print("\n".join(difflib.unified_diff(expected, got, "on Linux", "on Windows", lineterm="", n=1)))
            failed += 1
    print("%d passed, %d failed" % (passed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
