#!/usr/bin/env python3
"""Runs a theme of the suite for a short time: its report is whole, and no server is left, however the suite ends. The last line
is a summary in the form of Catch2.

usage: quick_test.py BUILD
"""
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid
import xml.etree.ElementTree as xml

sys.dont_write_bytecode = True
from measuring.processes import load, server  # noqa: E402
from measuring.setting import Failed, Setting, Unavailable  # noqa: E402
from measuring.subjects import BIGHT_ECHO, RAW_EPOLL  # noqa: E402

SUITE = pathlib.Path(__file__).resolve().parent / "suite.py"
PATIENCE = 120


class Run:
    """The suite as a process. All processes that it starts have a mark in their environment."""

    def __init__(self, *arguments):
        self.mark = f"BIGHT_BENCH_RUN={uuid.uuid4()}"
        name, value = self.mark.split("=")
        self.suite = subprocess.Popen([sys.executable, SUITE, BUILD, *map(str, arguments)], env=dict(os.environ, **{name: value}),
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def left(self):
        """The processes that it has started and that live: {id: command}."""
        commands = {}
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if self.mark in (process / "environ").read_text(errors="replace").split("\0") and int(process.name) != self.suite.pid:
                    commands[int(process.name)] = (process / "cmdline").read_text().split("\0")
            except OSError:  # it has ended, or is not ours
                pass
        return commands

    def stop(self):
        """For a test that has failed."""
        if self.suite.poll() is None:
            self.suite.kill()
        for pid in self.left():
            os.kill(pid, signal.SIGKILL)

    def end(self):
        output = self.suite.communicate(timeout=PATIENCE)[0]
        return self.suite.returncode, output


class Quick(unittest.TestCase):
    def test_a_theme_is_measured_and_reported(self):
        with tempfile.TemporaryDirectory() as name:
            run = Run("--quick", "--seconds", "0.05", "--rounds", "2", "--out", name, "churn")
            self.addCleanup(run.stop)
            status, output = run.end()
            self.assertEqual(status, 0, output)
            self.assertEqual(output.splitlines()[-1], "1 passed, 0 failed")
            page = (pathlib.Path(name) / "README.md").read_text(encoding="utf-8")
            for image in pathlib.Path(name).glob("*.svg"):
                xml.parse(image)
        self.assertEqual(run.left(), {})
        row = re.search(r"^\| bight, epoll \| (\S+)", page, re.M)
        self.assertGreater(float(row.group(1)), 0, page)
        self.assertIn("| connect, one exchange, close: bight, epoll |", page)

    def test_no_server_is_left_when_it_is_ended(self):
        with tempfile.TemporaryDirectory() as name:
            run = Run("--quick", "--seconds", "60", "--out", name, "churn")
            self.addCleanup(run.stop)
            deadline = time.monotonic() + PATIENCE
            while not any(command[0].endswith("/churn") for command in run.left().values()):  # a server runs, and its load
                self.assertLess(time.monotonic(), deadline)
                self.assertIsNone(run.suite.poll(), "the suite has ended by itself")
                time.sleep(0.01)
            run.suite.send_signal(signal.SIGTERM)
            status, output = run.end()
            self.assertEqual(status, 128 + signal.SIGTERM, output)
            self.assertEqual(run.left(), {})


class Servers(unittest.TestCase):
    def setUp(self):
        self.setting = Setting(pathlib.Path(BUILD), rounds=1, seconds=0.05)

    def test_it_listens_when_the_load_begins_and_is_gone_afterwards(self):
        with server(self.setting, BIGHT_ECHO[0]) as (port, pid):
            self.assertGreater(load(self.setting, "load", port, 1, 64, 1, 0.05, pid)["rate"], 0)
        self.assertFalse(pathlib.Path("/proc", pid).exists())

    def test_one_that_does_not_start_says_why(self):
        wrong = dataclasses.replace(BIGHT_ECHO[0], reactor="no_such")
        with self.assertRaisesRegex(Unavailable, "it does not start: .*no_such"):
            with server(self.setting, wrong):
                pass

    def test_one_that_dies_in_the_middle_is_named(self):
        with self.assertRaisesRegex(Failed, r"churn ended with status 1: .*; the server had ended with status -9"):
            with server(self.setting, RAW_EPOLL) as (port, pid):
                os.kill(int(pid), signal.SIGKILL)
                load(self.setting, "churn", port, 1, 16, 0.05, pid)

    def test_a_load_that_fails_is_not_the_servers_fault(self):
        with self.assertRaisesRegex(Failed, '^churn ended with status 2: .*"0" is not a number from 1 to'):
            with server(self.setting, RAW_EPOLL) as (port, pid):
                load(self.setting, "churn", port, 0, 16, 0.05, pid)


if __name__ == "__main__":
    BUILD = sys.argv[1]
    result = unittest.main(exit=False, argv=[sys.argv[0]], verbosity=0).result
    wrong = len(result.failures) + len(result.errors)
    if wrong:
        print(f"test cases: {result.testsRun} | {result.testsRun - wrong} passed | {wrong} failed")
    else:
        print(f"All tests passed ({result.testsRun} assertions in {result.testsRun} test cases)")
    sys.exit(wrong > 0)
