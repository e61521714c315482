#!/usr/bin/env python3
"""Checks what the suite makes of figures, with made-up ones: nothing is measured. The last line is a summary in the form of
Catch2."""
import contextlib
import dataclasses
import importlib
import io
import pathlib
import re
import socket
import sys
import tempfile
import types
import unittest
import xml.etree.ElementTree as xml

sys.dont_write_bytecode = True
import suite  # noqa: E402
import themes  # noqa: E402
from measuring import machine  # noqa: E402
from measuring.figure import Figure, ratio  # noqa: E402
from measuring.listening import is_bound, listens  # noqa: E402
from measuring.processes import pairs  # noqa: E402
from measuring.rounds import interleave  # noqa: E402
from measuring.setting import Failed, Setting, Unavailable  # noqa: E402
from measuring.subjects import ECHO, Subject  # noqa: E402
from report import chart, page, text  # noqa: E402
from report.model import Aim, Bar, Chart, Group, Section, Table  # noqa: E402

SETTING = Setting(pathlib.Path("/nowhere"), rounds=3, seconds=0.1)
MACHINE = Table(["", ""], [["processors", "2"]])
ONE, TWO = Subject("one", "raw", "one"), Subject("two", "bight", "two")


def quietly(function, *arguments):
    with contextlib.redirect_stderr(io.StringIO()):
        return function(*arguments)


def made_up_section():
    bars = [Bar("bare", Figure(2.0, 1.9, 2.2), "raw"), Bar("bight", Figure(2.4, 2.2, 3.1), "bight"),
            Bar("a < b & c", Figure(0.0, 0.0, 0.0), "peer")]
    return Section("made_up", "Made up", "What it is.",
                   tables=[Table(["server", "µs"], [["bare | not", Figure(2.0, 1.9, 2.2)], ["none", None]])],
                   charts=[Chart("made_up", "Made & up", "µs", [Group("a < b", bars)], mark=2.0, mark_label="bare")],
                   aims=[Aim("reached", Figure(1.0, 0.9, 1.1), 1.1, "×"), Aim("missed", Figure(1.5, 1.4, 1.6), 1.2, "×"),
                         Aim("more is better", Figure(1.9, 1.8, 2.0), 1.8, "×", at_least=True),
                         Aim("too little", Figure(0.9, 0.8, 1.0), 1.8, "×", at_least=True)],
                   glance=[Group("made up", bars)], notes=["left out: three: it is not built here"])


class Figures(unittest.TestCase):
    def test_median_and_spread(self):
        self.assertEqual(Figure.of([3, 1, 2]), Figure(2, 1, 3))
        self.assertEqual(Figure.of([4, 1, 2, 3]), Figure(2.5, 1, 4))

    def test_a_ratio_is_taken_round_by_round(self):
        # The machine was ten times slower in the second round, for both.
        self.assertEqual(ratio([2, 20, 2], [1, 10, 1]), Figure(2, 2, 2))
        with self.assertRaises(ValueError):
            ratio([1, 2], [1])

    def test_three_digits_that_count(self):
        for value, expected in {1234.5: "1,234", 99.95: "100.0", 12.34: "12.3", 1.234: "1.23", 0.01234: "0.0123", 0: "0.00"}.items():
            self.assertEqual(text.number(value), expected)
        self.assertEqual(text.figure(Figure(2.0, 1.9, 2.2)), "2.00 (1.90–2.20)")
        self.assertEqual(text.figure(Figure(2.0, 2.0, 2.0)), "2.00")

    def test_what_a_load_prints(self):
        self.assertEqual(pairs("total=12 rate=1e+06 p50=0.5\n"), {"total": 12, "rate": 1e6, "p50": 0.5})


class Rounds(unittest.TestCase):
    def test_each_subject_once_in_each_round(self):
        order = []

        def measure(subject):
            order.append(subject.name)
            return {"cpu": float(len(order))}
        measured = interleave(SETTING, [ONE, TWO], measure)
        self.assertEqual(order, ["one", "two"] * 3)
        self.assertEqual(measured.samples["two"]["cpu"], [2, 4, 6])
        self.assertEqual(measured.best_of(["two", "one", "absent"], "cpu"), "one")
        self.assertEqual(measured.notes, [])

    def test_what_is_not_there_is_left_out_with_a_line(self):
        def measure(subject):
            if subject is ONE:
                raise Unavailable("it is not built here")
            return {"cpu": 1.0}
        measured = quietly(interleave, SETTING, [ONE, TWO], measure)
        self.assertEqual(measured.notes, ["left out: one: it is not built here"])
        self.assertEqual(measured.names(), ["two"])
        with self.assertRaises(Failed):
            measured.best_of(["one"], "cpu")

    def test_one_that_fails_is_named_and_the_others_go_on(self):
        calls = []

        def measure(subject):
            calls.append(subject)
            if subject is ONE and calls.count(ONE) == 2:
                raise Failed("it ended in the middle")
            return {"cpu": 1.0}
        measured = quietly(interleave, SETTING, [ONE, TWO], measure)
        self.assertEqual(measured.notes, ["FAILED: one, in round 2: it ended in the middle"])
        self.assertNotIn("one", measured)
        self.assertEqual(len(measured.samples["two"]["cpu"]), 3)

    def test_a_program_that_is_not_built(self):
        for subject in ECHO:
            with self.assertRaisesRegex(Unavailable, "is not built here"):
                subject.command_for(SETTING, port="1")


class Machine(unittest.TestCase):
    def test_a_busy_one_is_called_so(self):
        self.assertEqual(machine.busy(0.21), "0.2")
        self.assertEqual(machine.busy(6.66), "6.7: the machine was busy, and figures of time are rough")

    def test_what_is_not_there_is_said(self):
        self.assertEqual(machine.said("/no/such/program"), "")
        self.assertEqual(machine.found(r"(x)", "/no/such/file"), "")
        rows = dict(machine.description(dataclasses.replace(SETTING, compiler="/no/such/compiler")).rows)
        self.assertEqual(rows["compiler"], "not here")
        self.assertRegex(rows["processors"], r"^\d+ × ")


class Listening(unittest.TestCase):
    def test_a_socket_listens_or_not(self):
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            self.assertFalse(listens(port))
            one.listen()
            self.assertTrue(listens(port))
            with socket.create_connection(("127.0.0.1", port)) as client:
                self.assertFalse(listens(client.getsockname()[1]))


    def test_a_socket_of_datagrams_is_bound_or_not(self):
        with socket.socket(type=socket.SOCK_DGRAM) as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            self.assertTrue(is_bound(port))
        self.assertFalse(is_bound(port))


class Suite(unittest.TestCase):
    def test_themes_are_chosen_by_words(self):
        self.assertEqual(suite.chosen([]), themes.NAMES)
        self.assertEqual(suite.chosen(["churn", "ech"]), ["echo", "churn"])
        with self.assertRaisesRegex(SystemExit, 'no theme is called "ehco"; there are echo, '):
            suite.chosen(["ehco"])

    def test_every_theme_is_in_the_list(self):
        folder = pathlib.Path(themes.__file__).parent
        self.assertEqual(sorted(themes.NAMES), sorted(p.stem for p in folder.glob("*.py") if p.stem not in ("__init__", "common")))

    def test_without_any_program_a_theme_says_so(self):
        for name in themes.NAMES:
            if name != "compile":  # it needs a compiler only
                section = quietly(suite.run_theme, name, SETTING)
                self.assertTrue(section.notes, name)

    def test_a_theme_that_fails(self):
        def fails(_):
            raise KeyError("rate")
        theme = types.SimpleNamespace(__doc__="How it fails.", run=fails)
        section = quietly(suite.run_theme, "x", SETTING, lambda name: theme)
        self.assertTrue(section.failed)
        self.assertEqual(section.notes, ["FAILED: KeyError: 'rate'"])
        theme.run = lambda _: (_ for _ in ()).throw(Unavailable("there is one processor"))
        self.assertFalse(suite.run_theme("x", SETTING, lambda name: theme).failed)


class Page(unittest.TestCase):
    def test_aims(self):
        lines = list(page.aim_lines(made_up_section().aims))[2:]
        self.assertIn("| reached | ≤ 1.1 × | 1.00 (0.900–1.10) | reached |", lines)
        self.assertIn("| missed | ≤ 1.2 × | 1.50 (1.40–1.60) | **missed** by 25 % |", lines)
        self.assertIn("| more is better | ≥ 1.8 × | 1.90 (1.80–2.00) | reached |", lines)
        self.assertIn("| too little | ≥ 1.8 × | 0.900 (0.800–1.00) | **missed** by 50 % |", lines)

    def test_the_whole(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name) / "benchmarks"
            page.write(folder, SETTING, MACHINE, [made_up_section()])
            written = (folder / "README.md").read_text(encoding="utf-8")
            images = re.findall(r"!\[[^]]*\]\(([^)]*)\)", written)
            self.assertEqual(images, ["at_a_glance.svg", "made_up.svg"])
            self.assertEqual(sorted(images), sorted(p.name for p in folder.glob("*.svg")))
        self.assertIn("Of 4 aims 2 are reached. Missed:", written)
        self.assertIn("| bare \\| not | 2.00 (1.90–2.20) |", written)
        self.assertIn("| none |  |", written)
        self.assertIn("- left out: three: it is not built here", written)

    def test_a_page_without_figures(self):
        lines = list(page.page_lines(SETTING, MACHINE, [Section("x", "X", "Not measured here.", notes=["left out: no valgrind"])], False))
        self.assertIn("- left out: no valgrind", lines)
        self.assertFalse(any(line.startswith("![") for line in lines))


def luminance(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """As WCAG 2 defines it."""
    lighter, darker = sorted([luminance(one), luminance(other)], reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


class Charts(unittest.TestCase):
    def test_it_is_read_on_white_and_on_black(self):
        for background in ("#ffffff", "#0d1117"):
            self.assertGreater(contrast(chart.TEXT, background), 4)
            for colour in chart.COLOURS.values():
                self.assertGreater(contrast(colour, background), 3)

    def test_it_is_well_formed_and_within_its_width(self):
        drawing = xml.fromstring(chart.svg(made_up_section().charts[0]))
        width, height = float(drawing.get("width")), float(drawing.get("height"))
        names = {"x", "x1", "x2"}
        for element in drawing.iter():
            for name in names & set(element.keys()):
                self.assertTrue(0 <= float(element.get(name)) <= width, xml.tostring(element))
            if "y" in element.keys():
                self.assertLess(float(element.get("y")), height)
        labels = [element.text for element in drawing.iter() if element.tag.endswith("text")]
        self.assertIn("a < b & c", labels)
        self.assertIn("2.40 µs", labels)

    def test_bars_have_the_lengths_of_their_figures(self):
        lengths = self.lengths(made_up_section().charts[0])
        self.assertAlmostEqual(lengths["bight"] / lengths["raw"], 1.2, delta=0.01)

    def test_what_is_longer_than_the_limit_is_cut_off(self):
        bars = [Bar("bare", Figure(1.0, 1.0, 1.0), "raw"), Bar("slow", Figure(50.0, 40.0, 60.0), "peer")]
        drawn = Chart("x", "X", "×", [Group("", bars)], limit=4)
        lengths = self.lengths(drawn)
        self.assertAlmostEqual(lengths["peer"] / lengths["raw"], 4, delta=0.01)
        self.assertIn(">→ 50.0 ×<", chart.svg(drawn))
        self.assertIn(">1.00 ×<", chart.svg(drawn))

    def test_a_group_has_its_scale(self):
        drawn = Chart("x", "X", "ns", [Group("a", [Bar("one", Figure(1.0, 1.0, 1.0), "raw")]),
                                       Group("b", [Bar("two", Figure(9.0, 9.0, 9.0), "peer")])], each_its_scale=True)
        lengths = self.lengths(drawn)
        self.assertEqual(lengths["raw"], lengths["peer"])

    def test_labels_have_room(self):
        modules = [importlib.import_module(f"themes.{name}") for name in themes.NAMES]
        subjects = ECHO + [subject for module in modules for subject in getattr(module, "SUBJECTS", [])]
        for subject in subjects:
            self.assertLess(len(subject.name) * 7, chart.LABELS - 8, subject.name)

    def lengths(self, drawn):
        """Of the bars, by family."""
        families = {colour: family for family, colour in chart.COLOURS.items()}
        return {families[e.get("fill")]: float(e.get("width")) for e in xml.fromstring(chart.svg(drawn)).iter()
                if e.tag.endswith("rect") and e.get("x") == str(chart.LABELS)}


if __name__ == "__main__":
    result = unittest.main(exit=False, argv=[sys.argv[0]], verbosity=0).result
    wrong = len(result.failures) + len(result.errors)
    if wrong:
        print(f"test cases: {result.testsRun} | {result.testsRun - wrong} passed | {wrong} failed")
    else:
        print(f"All tests passed ({result.testsRun} assertions in {result.testsRun} test cases)")
    sys.exit(wrong > 0)
