"""A figure of several rounds."""
import dataclasses
import statistics


@dataclasses.dataclass(frozen=True)
class Figure:
    """The median of the rounds, and the lowest and the highest of them."""
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values):
        return cls(statistics.median(values), min(values), max(values))


def ratio(values, to):
    """Round by round: what slows a whole round down is not in it."""
    return Figure.of([one / other for one, other in zip(values, to, strict=True)])
