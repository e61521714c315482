"""Servers and loads as processes: each on a processor of its own, each ended by its id."""
import contextlib
import os
import re
import subprocess
import tempfile
import time

from .listening import is_bound, listens
from .setting import Failed, Unavailable

STARTS_WITHIN = 60
ENDS_WITHIN = 10
ENDED_BY_ITSELF = 1  # it is given so long to be seen to have done so
LOAD_ENDS_WITHIN = 400


def free_port(setting):
    return subprocess.check_output([setting.program("load"), "free-port"], text=True).strip()


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"


def said_by(log):
    log.seek(0)
    return last_line(log.read().decode(errors="replace"))


def pinned_to(cpus):
    """For preexec_fn."""
    return lambda: os.sched_setaffinity(0, cpus)


@contextlib.contextmanager
def process(command, log, cpus=None, environment=None):
    """Runs until the block ends; cpus: what it is pinned to."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=pinned_to(cpus) if cpus else None,
                             env=dict(os.environ, **(environment or {})))
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def await_listening(child, port, log, ready=listens):
    deadline = time.monotonic() + STARTS_WITHIN
    while child.poll() is None:
        if ready(int(port)):
            return
        if time.monotonic() > deadline:
            raise Failed(f"it does not listen after {STARTS_WITHIN} s: {said_by(log)}")
        time.sleep(0.002)
    raise Unavailable(f"it does not start: {said_by(log)}")


@contextlib.contextmanager
def server(setting, subject, pinned=True, **places):
    """Starts a subject at a free port, and gives (port, process id). `places` are filled into its command."""
    port = free_port(setting)
    with tempfile.TemporaryFile() as log:
        cpus = {setting.server_cpu} if pinned else None
        with process(subject.command_for(setting, port=port, **places), log, cpus, subject.environment) as child:
            await_listening(child, port, log, is_bound if getattr(subject, "protocol", "tcp") == "udp" else listens)
            try:
                yield port, str(child.pid)
            except Failed as why:  # the load: it may be the server that has failed
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(ENDED_BY_ITSELF)
                    raise Failed(f"{why}; the server had ended with status {child.returncode}: {said_by(log)}") from why
                raise
            if child.poll() is not None:
                raise Failed(f"it ended in the middle, with status {child.returncode}: {said_by(log)}")


def pairs(text):
    """{"rate": 5.0} of "rate=5.0"."""
    return {name: float(value) for name, value in re.findall(r"(\w+)=([-+.\de]+)", text)}


def load(setting, program, *arguments, pinned=True, environment=None):
    """Runs a load to its end; what it prints, as {name: value}."""
    done = subprocess.run([setting.program(program), *map(str, arguments)], capture_output=True, text=True, check=False,
                          preexec_fn=pinned_to({setting.load_cpu}) if pinned else None, timeout=LOAD_ENDS_WITHIN,
                          env=dict(os.environ, **(environment or {})))
    if done.returncode != 0:
        raise Failed(f"{program} ended with status {done.returncode}: {last_line(done.stderr)}")
    return pairs(done.stdout)


@contextlib.contextmanager
def background_load(setting, program, *arguments):
    """A load that goes on until the block ends."""
    with tempfile.TemporaryFile() as log:
        with process([setting.program(program), *map(str, arguments)], log, {setting.load_cpu}) as child:
            yield
            if child.poll() is not None:
                raise Failed(f"{program} ended in the middle: {said_by(log)}")
