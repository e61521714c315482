"""What a theme gives to the report."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Aim:
    """What bight is to reach; by default the figure may be the bound at most."""
    what: str
    figure: object  # a Figure
    bound: float
    unit: str
    at_least: bool = False

    @property
    def met(self):
        return self.figure.median >= self.bound if self.at_least else self.figure.median <= self.bound


@dataclasses.dataclass(frozen=True)
class Table:
    columns: list  # the first is that of the names
    rows: list  # of lists: texts, Figures, or None where there is nothing
    caption: str = ""


@dataclasses.dataclass(frozen=True)
class Bar:
    label: str
    figure: object  # a Figure
    family: str


@dataclasses.dataclass(frozen=True)
class Group:
    label: str
    bars: list


@dataclasses.dataclass(frozen=True)
class Chart:
    name: str  # of its file
    title: str
    unit: str
    groups: list
    mark: float = 0  # where a line is drawn, 0: nowhere
    mark_label: str = ""
    limit: float = 0  # what is longer is cut off; 0: nothing is
    each_its_scale: bool = False  # each group has a scale of its own


@dataclasses.dataclass
class Section:
    name: str
    title: str
    text: str  # what is measured, and how to read it
    tables: list = dataclasses.field(default_factory=list)
    charts: list = dataclasses.field(default_factory=list)
    aims: list = dataclasses.field(default_factory=list)
    glance: list = dataclasses.field(default_factory=list)  # Groups of ratios for the first chart
    notes: list = dataclasses.field(default_factory=list)  # what was left out, and what failed

    @property
    def failed(self):
        return any("FAILED: " in note for note in self.notes)
