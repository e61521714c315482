"""Bar charts as SVG. They are seen on white and on black, and an image is not told on which: the background is transparent, and
every colour has contrast enough with both."""
from xml.sax.saxutils import escape

from .text import number

TEXT = "#6e7781"
COLOURS = {"raw": "#848d97", "bight": "#3b82f6", "peer": "#b7791f"}
FAMILIES = {"raw": "bare system calls", "bight": "bight", "peer": "other libraries"}

WIDTH = 760
LABELS = 200  # how much of it the labels have
VALUES = 100  # and the values
ROW = 20
HEAD = 64
FONT = 'font-family="system-ui, sans-serif" font-size="12"'


def line(x, y, to_x, to_y, extra=""):
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{TEXT}" {extra}/>'


def text(x, y, content, extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{TEXT}" {extra}>{escape(content)}</text>'


def legend(chart):
    used = {bar.family for group in chart.groups for bar in group.bars}
    parts, x = [], 8
    for family in [f for f in FAMILIES if f in used]:
        parts.append(f'<rect x="{x}" y="30" width="12" height="12" fill="{COLOURS[family]}"/>')
        parts.append(text(x + 18, 40, FAMILIES[family]))
        x += 40 + 7 * len(FAMILIES[family])
    return parts


def scale(bars, chart):
    """place(value): how far from the left, and no farther than there is room. Without a limit the longest bar has all of it."""
    most = max([bar.figure.high for bar in bars] + [chart.mark]) or 1
    if chart.limit:
        most = min(most, chart.limit)
    return lambda value: LABELS + min(max(value, 0), most) / most * (WIDTH - LABELS - VALUES)


def bar_parts(bar, y, place, chart):
    middle = y + ROW / 2
    end = place(bar.figure.median)
    cut = "→ " if chart.limit and bar.figure.median > chart.limit else ""
    parts = [
        text(LABELS - 8, middle + 4, bar.label, 'text-anchor="end"'),
        f'<rect x="{LABELS}" y="{y + 3}" width="{max(1, end - LABELS):.1f}" height="{ROW - 6}" fill="{COLOURS[bar.family]}"/>',
    ]
    if bar.figure.high > bar.figure.low:
        parts.append(line(place(bar.figure.low), middle, place(bar.figure.high), middle))
    parts.append(text(WIDTH - 8, middle + 4, f"{cut}{number(bar.figure.median)} {chart.unit}".rstrip(), 'text-anchor="end"'))
    return parts


def svg(chart):
    place = scale([bar for group in chart.groups for bar in group.bars], chart)
    parts, y = [text(8, 18, chart.title, 'font-weight="bold"'), *legend(chart)], HEAD
    for group in chart.groups:
        if group.label:
            parts.append(text(LABELS, y + 15, group.label, 'font-style="italic"'))
            y += ROW
        for bar in group.bars:
            parts += bar_parts(bar, y, scale(group.bars, chart) if chart.each_its_scale else place, chart)
            y += ROW
        y += 6
    if chart.mark:
        parts.append(line(place(chart.mark), HEAD - 4, place(chart.mark), y, 'stroke-dasharray="4 3"'))
        parts.append(text(place(chart.mark), HEAD - 8, chart.mark_label, 'text-anchor="middle"'))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 6}" viewBox="0 0 {WIDTH} {y + 6}" {FONT}>\n'
            f"<title>{escape(chart.title)}</title>\n" + "\n".join(parts) + "\n</svg>\n")
