"""Numbers as a reader wants them."""


def number(value):
    """Three digits that count; what is less than a thousandth is nothing."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    if abs(value) >= 1:
        return f"{value:.2f}"
    return f"{value:#.3g}" if abs(value) >= 0.001 else "0.00"


def figure(value):
    """The median, and the spread where there is one."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if number(value.low) == number(value.high):
        return number(value.median)
    return f"{number(value.median)} ({number(value.low)}–{number(value.high)})"
