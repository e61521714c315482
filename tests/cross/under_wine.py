#!/usr/bin/env python3
"""Runs the test programs of a build for Windows under Wine, several side by side, each for a limited time.

    under_wine.py [--jobs N] [--timeout SECONDS] [--gaps FILE] [--left-out FILE] BUILD_DIRECTORY [WORD...]

WORD: only tests whose name contains one of the words. The environment says which Wine is used. A program that crashes or
hangs is run again a case at a time, so that each failure has a name; when all pass so, the program has failed. The cases that
FILE names (wine_gaps.txt) are expected to fail: each is run alone. Prints what was skipped, and why; the last line is "N
passed, N failed", test cases.

Wine's server may end while programs run, and all of its programs with it. So each of those that run side by side has a
server of its own, in a copy of WINEPREFIX, and what ran when its server ended is run once more. (A program that crashes may
end with status 0, too; but then Wine says that it did.)
"""
import argparse
import concurrent.futures
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as xml

CASE_TIMEOUT = 40
GAP_TIMEOUT = 10  # of a case that is expected to fail, which may be by waiting for ever

here = threading.local()  # here.environment: with the prefix of this thread


class Prefixes:
    """WINEPREFIX and so many copies of it, less one; each with a server that stays until the end."""

    def __init__(self, count):
        first = os.environ["WINEPREFIX"]
        self.server = os.environ.get("WINESERVER", "wineserver")
        self.copies = ["%s.%d" % (first, i) for i in range(2, count + 1)]
        # What the first one's server knows is in its files when it has ended.
        subprocess.run([self.server, "-k"], check=False)
        subprocess.run([self.server, "-w"], check=False)
        for copy in self.copies:
            shutil.rmtree(copy, ignore_errors=True)
            # The same files under other names: Wine replaces what it changes.
            subprocess.run(["cp", "-al", first, copy], check=True)
        self.free = queue.SimpleQueue()
        for prefix in [first] + self.copies:
            environment = dict(os.environ, WINEPREFIX=prefix)
            # It would hold on to a pipe.
            subprocess.run([self.server, "-p"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False)
            self.free.put(environment)

    def take(self):
        here.environment = self.free.get()

    def end(self):
        for copy in self.copies:
            subprocess.run([self.server, "-k"], env=dict(os.environ, WINEPREFIX=copy), stderr=subprocess.DEVNULL, check=False)
            shutil.rmtree(copy, ignore_errors=True)


class Outcome:
    def __init__(self):
        self.passed = set()
        self.failed = {}  # by case: what it printed
        self.skipped = {}  # by case: why
        self.left_out = set()
        self.again = 0  # runs whose server has ended
        self.seconds = 0.0


def run(command, limit):
    """Gives (status or None when it took too long, stdout, stderr)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
                             env=here.environment)
        try:
            status = p.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
            status = None
        texts = []
        for f in (out, err):
            f.seek(0)
            texts.append(f.read().decode("utf-8", "replace").replace("\r\n", "\n"))
        return status, texts[0], texts[1]


def escaped(name):
    return re.sub(r'([\\,\["*~])', r"\\\1", name)


def cases_of(test):
    """The names of its cases; without Catch2's summary and folding of long lines."""
    for _ in range(2):
        status, out, err = run(test["cmd"][:-1] + ["--list-test-names-only", test["cmd"][-1]], 120)
        names = [line.strip() for line in out.splitlines() if line.strip()]
        if names:
            break
    # Catch2 2 gives the number of names as its status.
    if status is None or (not names and status != 0):
        raise RuntimeError("its cases cannot be listed: %s %s %s" % (status, out[-500:], err[-500:]))
    return names


def attempt(test, spec, limit):
    """Runs the cases of one specification; gives an Outcome, and whether the program came to its end."""
    outcome = Outcome()
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = test["cmd"][:-1] + [spec, "-r", "xml", "-o", "Z:" + report.name]
        status, out, err = run(command, limit)
        for line in err.splitlines():
            if line.startswith("left out: "):
                outcome.left_out.add(line)
        try:
            root = xml.parse(report.name).getroot()
        except xml.ParseError:
            return outcome, False, status, out, err
    why = None
    skipped = {}
    for line in out.splitlines():
        begins = re.match(r"skipped \d+: (.*)", line)
        if begins:
            why = begins.group(1)
        elif why and line.startswith("    "):
            skipped[line[4:]] = why
        else:
            why = None
    for case in root.iter("TestCase"):
        name = case.get("name")
        result = case.find("OverallResult")
        # Of the runs of one case, some may be skipped, and others fail.
        if name in skipped and not fails(case):
            outcome.skipped[name] = skipped[name]
        elif result is not None and result.get("success") == "true":
            outcome.passed.add(name)
        else:
            outcome.failed[name] = explain(case) + tail(err)
    return outcome, status is not None, status, out, err


def fails(case):
    """Whether something of a case has failed: a call within an expression that skips the case has not."""
    return any(part.get("success") == "false" and "CATCH_CONFIG_FAST_COMPILE" not in (part.findtext("Exception") or "")
               for part in case.iter("Expression")) or case.find(".//FatalErrorCondition") is not None


def tail(text):
    # Of a crash, what comes before the lists of Wine's debugger.
    lines = text.split("\nModules:")[0].splitlines()[-30:]
    return "".join("    stderr: %s\n" % line for line in lines if not line.startswith("left out: "))


def explain(case):
    lines = []
    for part in case.iter():
        if part.tag == "Expression" and part.get("success") != "true":
            at = "%s:%s" % (os.path.basename(part.get("filename", "")), part.get("line"))
            original = (part.findtext("Original") or "").strip()
            expanded = (part.findtext("Expanded") or "").strip()
            lines.append("    %s: %s\n        %s" % (at, original, expanded))
            for exception in part.iter("Exception"):
                lines.append("        threw " + (exception.text or "").strip())
        elif part.tag in ("Exception", "FatalErrorCondition", "Failure"):
            lines.append("    %s: %s" % (part.get("line", part.tag), (part.text or "").strip()))
        elif part.tag == "Info" and len(lines) < 40:
            lines.append("    with " + (part.text or "").strip())
    return "\n".join(lines[:40]) + "\n"


def attempt_twice(test, spec, limit, again):
    """As attempt(); once more where Wine's server has ended, which again counts."""
    result = attempt(test, spec, limit)
    _, ended, status, _, err = result
    if not ended and status == 0 and "Unhandled" not in err:
        again.again += 1
        result = attempt(test, spec, limit)
    return result


def how_it_ended(status, limit):
    return "took more than %d s" % limit if status is None else "ended with status %s" % status


def run_test(test, gaps, timeout):
    outcome = Outcome()
    start = time.monotonic()
    spec = test["cmd"][-1]
    try:
        names = cases_of(test)
    except RuntimeError as e:
        outcome.failed["(all)"] = "    %s\n" % e
        return outcome
    own_gaps = [name for name in names if name in gaps]
    rest = [name for name in names if name not in own_gaps]
    if rest:
        # Each name that is left out follows a tag: behind a name, "~" is a part of it.
        without = "".join(spec + "~" + escaped(name) for name in own_gaps) or spec
        together, ended, status, out, err = attempt_twice(test, without, timeout, outcome)
        seen = together.passed | set(together.failed) | set(together.skipped)
        outcome.left_out = together.left_out
        # For Catch2 a case that is skipped within an expression has failed.
        explained = status in (0, 77) or together.failed or (status == 1 and together.skipped)
        if ended and seen >= set(rest) and explained:
            outcome.passed, outcome.failed, outcome.skipped = together.passed, together.failed, together.skipped
        else:
            # It crashed, or hung: a case at a time says which.
            why = "    the program %s, and no case does alone; it has told of %d of %d\n%s%s\n" % (
                how_it_ended(status, timeout), len(seen), len(rest), tail(err), out[-1000:])
            for name in rest:
                one, ended, status, out, err = attempt_twice(test, escaped(name), CASE_TIMEOUT, outcome)
                if name in one.passed and ended and status in (0, 77):
                    outcome.passed.add(name)
                elif name in one.skipped:
                    outcome.skipped[name] = one.skipped[name]
                elif name in one.failed:
                    outcome.failed[name] = one.failed[name]
                else:
                    how = how_it_ended(status, CASE_TIMEOUT)
                    outcome.failed[name] = "    the program %s\n%s%s\n" % (how, tail(err), out[-1000:])
            if not outcome.failed:
                outcome.failed["(all)"] = why
    for name in own_gaps:
        one, ended, status, out, err = attempt(test, escaped(name), GAP_TIMEOUT)
        if name in one.passed and ended and status == 0:
            outcome.failed[name] = "    it passes: its line in the list of Wine's gaps is out of date\n"
        else:
            outcome.skipped[name] = "a gap of Wine: " + gaps[name]
    outcome.seconds = time.monotonic() - start
    return outcome


def read_gaps(path):
    gaps = {}
    if not path:
        return gaps
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                test, name, why = [part.strip() for part in line.split(" | ", 2)]
                gaps.setdefault(test, {})[name] = why
    return gaps


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=6)
    parser.add_argument("--timeout", type=int, default=240)
    parser.add_argument("--gaps")
    parser.add_argument("--left-out")
    parser.add_argument("--slow", action="store_true", help="print how long each test took")
    parser.add_argument("directory")
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()

    listed = subprocess.run(["meson", "introspect", "--tests", arguments.directory], check=True, capture_output=True)
    tests = [t for t in json.loads(listed.stdout) if t["cmd"][0].endswith(".exe") or t["cmd"][0].endswith("wine")]
    for t in tests:
        if not t["cmd"][0].endswith("wine"):
            t["cmd"].insert(0, "wine")
    if arguments.words:
        tests = [t for t in tests if any(word in t["name"] for word in arguments.words)]
    gaps = read_gaps(arguments.gaps)
    tests.sort(key=lambda t: t["name"] not in gaps)  # those take long

    passed = failed = 0
    skipped = {}
    left_out = set()
    times = []
    known = set()
    again = 0
    prefixes = Prefixes(arguments.jobs)
    try:
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs, initializer=prefixes.take) as pool:
            running = {pool.submit(run_test, t, gaps.get(t["name"], {}), arguments.timeout): t for t in tests}
            for done in concurrent.futures.as_completed(running):
                name = running[done]["name"]
                outcome = done.result()
                passed += len(outcome.passed)
                failed += len(outcome.failed)
                left_out |= outcome.left_out
                times.append((outcome.seconds, name))
                again += outcome.again
                known |= {(name, case) for case in [*outcome.passed, *outcome.failed, *outcome.skipped]}
                for case, why in outcome.skipped.items():
                    skipped.setdefault(why, []).append("%s: %s" % (name, case))
                for case, why in sorted(outcome.failed.items()):
                    print("FAILED: %s: %s\n%s" % (name, case, why), end="")
                sys.stdout.flush()
    finally:
        prefixes.end()
    if again:
        print("%d runs were made once more, for Wine's server had ended" % again)
    chosen = {t["name"] for t in tests}
    for test, cases in gaps.items():
        for case in cases:
            if (test in chosen and (test, case) not in known) or (not arguments.words and test not in chosen):
                print("FAILED: the list of Wine's gaps names a case that does not exist: %s | %s" % (test, case))
                failed += 1
    if arguments.slow:
        for seconds, name in sorted(times, reverse=True)[:25]:
            print("%6.1f s %s" % (seconds, name))
    if not tests:
        print("FAILED: there is no such test")
        failed += 1
    if arguments.left_out:
        with open(arguments.left_out, encoding="utf-8") as lines:
            left_out |= {"left out: " + line.strip() for line in lines if line.strip() and not line.startswith("#")}
    for line in sorted(left_out):
        print(line)
    for why, cases in sorted(skipped.items()):
        print("skipped %d: %s" % (len(cases), why))
        for case in sorted(cases):
            print("    " + case)
    print("%d passed, %d failed" % (passed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
