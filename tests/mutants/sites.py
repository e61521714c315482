"""The changes of tests/mutants/sites: read, found in the sources, and built into copies of them.

A file of sites is a list of

    lib/core/group.cpp

    the name of a change, in words
        what stands {{in the file ==> there instead}} and enough around it to be found once

A line without indentation that names a file says where the changes after it are; any other is the name of a change, and
what is indented under it is a text of that file, however it is broken into lines. Between the braces stand what is
there and what it becomes, both a whole expression or both whole statements; one of no statements is empty. There may be
several pairs of braces. A statement that is changed declares nothing that is used after it.
"""
import pathlib
import re
import zlib

NUMBERS = 1 << 20  # as in mutant.hpp


class Fault(Exception):
    """What is wrong with a file of sites, and where."""


class Site:
    def __init__(self, listed, line, file, name):
        self.listed, self.line, self.file, self.name = listed, line, file, name
        self.text = ""
        # Of the name, so that a new site changes no other's, and little is compiled again.
        self.number = zlib.crc32(name.encode()) % (NUMBERS - 1) + 1
        self.found_at = 0

    def fail(self, what):
        raise Fault(f"{self.listed}:{self.line}: {self.name}: {what}")

    def edits(self, source):
        """[start, end, original, changed] of each pair of braces, in the text of the file."""
        parts = re.split(r"\{\{(.*?)\}\}", self.text, flags=re.S)
        if len(parts) < 3:
            self.fail("there is no {{original ==> changed}}")
        pattern, pairs = "", []
        for i, part in enumerate(parts):
            if i % 2 == 0:
                pattern += loosely(part)
                continue
            if part.count("==>") != 1:
                self.fail(f"one ==> belongs between the braces, unlike in {{{{{part}}}}}")
            original, changed = (side.strip() for side in part.split("==>"))
            if not original or original == changed:
                self.fail("between the braces stands what is there, and then something else")
            pairs.append((original, changed))
            pattern += r"\s*(" + loosely(original).strip() + r")\s*"
        places = list(re.finditer(pattern, source))
        if len(places) != 1:
            how = "is not there any more" if not places else f"is there {len(places)} times"
            self.fail(f"its text {how} in {self.file}: change the text, or take the site away")
        self.found_at = source.count("\n", 0, places[0].start(1)) + 1
        return [(places[0].start(i), places[0].end(i), *pair) for i, pair in enumerate(pairs, 1)]


def loosely(text):
    """A pattern for `text` with any white space where it has some, and perhaps none at its ends."""
    words = [re.escape(word) for word in text.split()]
    if not words:
        return r"\s*"
    before = r"\s*" if text[0].isspace() else ""
    after = r"\s*" if text[-1].isspace() else ""
    return before + r"\s+".join(words) + after


def read(path):
    """The sites of one file."""
    sites, file, blank = [], None, True
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace():
            if not sites or not file:
                raise Fault(f"{path}:{number}: a text without the name of a change before it")
            sites[-1].text += line.strip() + "\n"
        elif re.fullmatch(r"(lib|include)/\S+", line):
            file = line
        else:
            if not file:
                raise Fault(f"{path}:{number}: the name of a change before that of a file")
            sites.append(Site(path, number, file, line))
    for site in sites:
        site.text = site.text.strip()
        if not site.text:
            site.fail("no text is indented under it")
    return sites


def read_all(folder):
    sites = [site for path in sorted(pathlib.Path(folder).glob("*.txt")) for site in read(path)]
    by_number = {}
    for site in sites:
        other = by_number.setdefault(site.number, site)
        if other is not site:
            site.fail(f"its name has the number of that of {other.listed}:{other.line}: another name is needed")
    return sites


def is_statement(text):
    return not text or text[-1] in ";}"


def combined(original, changes):
    """`original`, or what it becomes by one of the changes."""
    choice = "::bight::mutants::chosen"
    if is_statement(original):
        branches = "".join(f"if ({choice}({number})) {{ {text} }} else " for number, text in changes)
        return f"{{ {branches}{{ {original} }} }}"
    condition = any(text in ("true", "false") for _, text in changes)
    result = f"static_cast<bool>({original})" if condition else f"({original})"
    for number, text in reversed(changes):
        result = f"({choice}({number}) ? ({text}) : {result})"
    return result


def rendered(source, start, end, places):
    """`source` from `start` to `end` with the changes of all places there, of which some may be within others."""
    text, at = "", start
    inside = sorted((place for place in places if start <= place[0] and place[1] <= end),
                    key=lambda place: (place[0], -place[1]))
    for place in inside:
        if place[0] < at:
            continue  # within the last one
        within = {other: changes for other, changes in places.items() if other != place}
        original = rendered(source, *place, {other: changes for other, changes in within.items()
                                             if place[0] <= other[0] and other[1] <= place[1]})
        text += source[at:place[0]] + combined(original, places[place])
        at = place[1]
    return text + source[at:end]


def apply(sites, source):
    """The text of a file with all of its sites built in. Throws for the first that has no place in it."""
    places = {}
    for site in sites:
        for start, end, original, changed in site.edits(source):
            if is_statement(original) != is_statement(changed):
                site.fail("a statement becomes a statement, and an expression an expression")
            for other in places:
                if start < other[0] < end < other[1] or other[0] < start < other[1] < end:
                    site.fail("it changes an end of what another site changes")
            places.setdefault((start, end), []).append((site.number, changed))
    up = "../" * sites[0].file.count("/")
    return f'#include "{up}tests/mutants/mutant.hpp"\n' + rendered(source, 0, len(source), places)
