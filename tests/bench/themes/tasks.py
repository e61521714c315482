"""What the runtime costs without a kernel."""
import re
import subprocess

from measuring.processes import pinned_to
from measuring.rounds import interleave
from measuring.subjects import BIGHT, PEER, Subject
from report.model import Aim, Bar, Chart, Group, Section, Table

BIGHT_TASKS, UNTRACED, ASIO = "bight", "bight, no await lines", "Asio coroutines"
SUBJECTS = [Subject(BIGHT_TASKS, BIGHT, "tasks", ("1",)), Subject(UNTRACED, BIGHT, "tasks_untraced", ("1",)),
            Subject(ASIO, PEER, "asio_tasks", (), package="libasio-dev")]
STEPS = {
    "call": "a task is awaited and returns",
    "yield": "a task goes to the end of the ready queue, and has its turn",
    "spawn": "a task is spawned, runs and is joined",
    "timer": "a timer is armed and cancelled, a million others pending",
    "timers": "one of a million timers that are armed, and then all cancelled",
    "channel": "a message goes through a channel",
    "mutex": "a free mutex is locked and unlocked",
    "cancel": "a task that sleeps is cancelled, unwinds and is joined",
}
AIMS = {"call": 0.45, "yield": 0.09, "spawn": 0.03, "timer": 0.02}
TEXT = """\
Nanoseconds for each step, in one thread that does nothing else. By default every await records its source line, for the tree of tasks;
the second column is without."""


def measure_in(setting):
    def measure(subject):
        done = subprocess.run(subject.command_for(setting), capture_output=True, text=True, check=True, timeout=120,
                              preexec_fn=pinned_to({setting.server_cpu}))
        return {name: float(value) for name, value in re.findall(r"^(\w+) +([\d.]+) ns", done.stdout, re.M)}
    return measure


def run(setting):
    measured = interleave(setting, SUBJECTS, measure_in(setting))

    def of(name, step):
        return measured.figure(name, step) if name in measured and step in measured.samples[name] else None

    section = Section("tasks", "Tasks, timers and primitives", TEXT, notes=measured.notes)
    section.tables.append(Table(
        ["step", BIGHT_TASKS, "without lines", ASIO, "bight / Asio"],
        [[f"{step}: {what}", of(BIGHT_TASKS, step), of(UNTRACED, step), of(ASIO, step),
          measured.ratio(BIGHT_TASKS, step, ASIO) if of(BIGHT_TASKS, step) and of(ASIO, step) else None] for step, what in STEPS.items()]))
    section.charts.append(Chart(
        "tasks", "Nanoseconds for each step (each with a scale of its own)", "ns",
        [Group(step, [Bar(name, of(name, step), measured.families[name]) for name in measured.names() if of(name, step)])
         for step in STEPS if of(BIGHT_TASKS, step)], each_its_scale=True))
    section.aims = [Aim(f"tasks: {step}", measured.ratio(BIGHT_TASKS, step, ASIO), bound, "× Asio's")
                    for step, bound in AIMS.items() if of(BIGHT_TASKS, step) and of(ASIO, step)]
    return section
