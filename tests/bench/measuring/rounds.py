"""Interleaved rounds: each subject once in each, so that a machine that gets slower does so for all."""
import subprocess
import sys

from .figure import Figure, ratio
from .setting import Failed, Unavailable

WRONG = (Failed, OSError, subprocess.SubprocessError, ValueError, KeyError)


class Measured:
    """The samples of the subjects that could be measured, in the order of the subjects, and notes on the others."""

    def __init__(self):
        self.samples = {}  # subject name -> metric -> a value for each round
        self.families = {}  # subject name -> family
        self.notes = []

    def __contains__(self, name):
        return name in self.samples

    def names(self):
        return list(self.samples)

    def figure(self, name, metric):
        return Figure.of(self.samples[name][metric])

    def ratio(self, name, metric, to):
        return ratio(self.samples[name][metric], self.samples[to][metric])

    def best_of(self, names, metric):
        """Which of those that were measured has the lowest median."""
        there = [name for name in names if name in self.samples]
        if not there:
            raise Failed("none of " + ", ".join(names) + " could be measured, with which the others are compared")
        return min(there, key=lambda name: self.figure(name, metric).median)


def interleave(setting, subjects, measure):
    """Calls measure(subject), which gives {metric: value}, for each subject in each round."""
    measured = Measured()
    gone = set()
    for number in range(setting.rounds):
        for subject in subjects:
            if subject.name in gone:
                continue
            try:
                values = measure(subject)
            except Unavailable as why:
                measured.notes.append(f"left out: {subject.name}: {why}")
            except WRONG as why:
                measured.notes.append(f"FAILED: {subject.name}, in round {number + 1}: {why}")
            else:
                samples = measured.samples.setdefault(subject.name, {})
                measured.families[subject.name] = subject.family
                for metric, value in values.items():
                    samples.setdefault(metric, []).append(value)
                continue
            print(measured.notes[-1], file=sys.stderr)
            gone.add(subject.name)
            measured.samples.pop(subject.name, None)
    return measured
