"""The page: what was measured, where, and whether it is what it should be."""
from . import chart
from .model import Chart
from .text import figure

INTRODUCTION = """\
What bight costs, beside the bare system calls (the limit) and other libraries, written by

```sh
sh tests/run.sh bench
```

which installs the other libraries, builds everything with optimisation, and measures all this again. Do so on a machine that has
nothing else to do. [Benchmarks](../../tests/bench/README.md) has the options and the programs.

- Every figure but those of counts, and of many connections, which have one, is the median of {rounds} rounds, with the lowest and the highest of them in brackets (in a chart: the thin line). In each round every
  server has one turn, so that a machine that gets slower does so for all. Ratios are taken round by round.
- {pinning}
- The loads are closed loops: a client that waits for an answer sends nothing. So a server that stops for a moment is asked less
  meanwhile, and its latencies look better than those that clients with a clock of their own would see.
- On a loopback most of a request is the kernel's work, and how many requests there are in a second says more of the load than of
  the server. So look at the processor time that the server used.
- Bars that are too long for a chart are cut off, with an arrow at their figure.
- "Bare" servers do only what is measured: they limit nothing, watch no deadlines, and take no account of slow peers."""


def pinning(setting):
    if setting.server_cpu == setting.load_cpu:
        return "There is one processor: server and load take it from each other."
    return f"The server runs on processor {setting.server_cpu}, the load on processor {setting.load_cpu}."


def cell(text):
    return text.replace("|", "\\|")


def table_lines(table):
    if table.caption:
        yield f"**{table.caption}**"
        yield ""
    yield "| " + " | ".join(map(cell, table.columns)) + " |"
    yield "| --- |" + " ---: |" * (len(table.columns) - 1)
    for row in table.rows:
        yield "| " + " | ".join(cell(figure(value)) for value in row) + " |"
    yield ""


def verdict(aim):
    if aim.met:
        return "reached"
    off = abs(aim.figure.median / aim.bound - 1) * 100
    return f"**missed** by {off:.0f} %" if off >= 1 else "**missed** by less than 1 %"


def aim_lines(aims):
    yield "| what | the aim | measured | |"
    yield "| --- | ---: | ---: | --- |"
    for aim in aims:
        bound = f"{'≥' if aim.at_least else '≤'} {aim.bound:g} {aim.unit}"
        yield f"| {cell(aim.what)} | {cell(bound)} | {figure(aim.figure)} | {verdict(aim)} |"
    yield ""


def glance(sections):
    title = "Processor time of the server, in times of the bare system calls: bight, and the cheapest other library"
    return Chart("at_a_glance", title, "×", [group for section in sections for group in section.glance], mark=1, mark_label="bare", limit=3)


def image(drawn):
    return f"![{drawn.title}]({drawn.name}.svg)"


def section_lines(section):
    yield f"## {section.title}"
    yield ""
    yield section.text
    yield ""
    for drawn in section.charts:
        yield image(drawn)
        yield ""
    for table in section.tables:
        yield from table_lines(table)
    if section.aims:
        yield from aim_lines(section.aims)
    if section.notes:
        yield from [f"- {note}" for note in section.notes]
        yield ""


def page_lines(setting, machine, sections, has_reasons):
    aims = [aim for section in sections for aim in section.aims]
    missed = [aim for aim in aims if not aim.met]
    yield "# Benchmarks"
    yield ""
    yield INTRODUCTION.format(rounds=setting.rounds, pinning=pinning(setting))
    yield ""
    yield "## At a glance"
    yield ""
    if glance(sections).groups:
        yield image(glance(sections))
        yield ""
    if aims:
        yield f"Of {len(aims)} aims {len(aims) - len(missed)} are reached." + (" Missed:" if missed else "")
        yield ""
    if missed:
        yield from aim_lines(missed)
        if has_reasons:
            yield "[What stands against them](why.md): profiles, and what was tried."
            yield ""
    yield "## The machine"
    yield ""
    yield from table_lines(machine)
    for section in sections:
        yield from section_lines(section)


def write(folder, setting, machine, sections):
    """Writes README.md and the charts into this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    charts = [drawn for section in sections for drawn in section.charts]
    if glance(sections).groups:
        charts.append(glance(sections))
    for drawn in charts:
        (folder / f"{drawn.name}.svg").write_text(chart.svg(drawn), encoding="utf-8")
    text = "\n".join(page_lines(setting, machine, sections, (folder / "why.md").exists())).rstrip() + "\n"
    (folder / "README.md").write_text(text, encoding="utf-8")
