#!/usr/bin/env python3
"""Proves a gap of Wine's, by calls of Winsock alone (wine_accept.cpp): an accept() that finds nothing does not have
FD_ACCEPT recorded again, so that no event tells of later connections.

    python3 tests/cross/wine_accept.py DIRECTORY

DIRECTORY gets the program and a prefix of Wine's. What is needed: g++ of mingw-w64, Wine.

A connection that comes while an accept() is on its way is seen twice by Wine's server, in one look at its descriptors: by the
call, which takes it, and by the listener's readiness, which is out of date by then. The server records FD_ACCEPT for it. The
accept() that this event asks for finds nothing; and in Wine only one that succeeds has the event recorded again. Windows
documents that any call does, "even one that fails" (WSAEventSelect). Here the server is stopped meanwhile, so that it happens
each time; without that it happens now and then, where several connect at once and the machine has much to do.

Ends with status 0 when the gap is there, and with 1 when the event of the second connection comes.
"""
import os
import signal
import socket
import subprocess
import sys
import time

SERVER = "/usr/lib/wine/wineserver64"


def server_of(prefix):
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/comm" % process) as comm, open("/proc/%s/environ" % process) as environment:
                if comm.read().startswith("wineserver") and ("WINEPREFIX=%s\0" % prefix) in environment.read():
                    return int(process)
        except OSError:
            pass  # it has ended, or is another's
    raise RuntimeError("Wine's server does not run")


def main():
    directory = os.path.abspath(sys.argv[1])
    os.makedirs(directory, exist_ok=True)
    program = os.path.join(directory, "wine_accept.exe")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wine_accept.cpp")
    subprocess.run(["x86_64-w64-mingw32-g++-posix", "-std=c++20", "-static", source, "-o", program, "-lws2_32"], check=True)
    prefix = os.path.join(directory, "prefix")
    os.environ.update(WINEPREFIX=prefix, WINEDEBUG="-all", WINEDLLOVERRIDES="mscoree=d;mshtml=d", WINESERVER=SERVER)
    os.environ.pop("DISPLAY", None)
    quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run([SERVER, "-p"], **quiet)
    try:
        subprocess.run(["wine", "wineboot", "-i"], timeout=120, **quiet)
        it = subprocess.Popen(["wine", program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
        address = ("127.0.0.1", int(it.stdout.readline().split()[1]))
        server = server_of(prefix)
        os.kill(server, signal.SIGSTOP)
        try:
            time.sleep(2.5)  # the accept() is on its way
            first = socket.create_connection(address)
            time.sleep(0.1)
        finally:
            os.kill(server, signal.SIGCONT)
        said = []
        for line in it.stdout:
            print(line, end="")
            said.append(line.strip())
            if line.startswith("another one"):
                second = socket.create_connection(address)
        it.wait(20)
        first.close()
        second.close()
        return 0 if said[-2:] == ["its event: not set", "the third accept(): a connection"] else 1
    finally:
        subprocess.run([SERVER, "-k"], **quiet)


if __name__ == "__main__":
    sys.exit(main())
