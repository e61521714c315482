"""What a run of the suite measures with, and where."""
import dataclasses
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


class Unavailable(Exception):
    """What is not to be had on this machine: it is left out, and the report says so."""


class Failed(Exception):
    """What should have worked, and did not."""


@dataclasses.dataclass(frozen=True)
class Setting:
    build: Path  # a release build with the benchmarks
    rounds: int
    seconds: float  # that each measurement lasts
    quick: bool = False  # fewer points, to see whether the suite works
    compiler: str = "g++"
    out: Path = Path("report")  # where pages go

    @property
    def programs(self):
        return self.build / "tests" / "bench"

    def program(self, name, package=None):
        """The path of a benchmark program; `package` is what it needs in order to be built."""
        path = self.programs / name
        if not path.exists():
            raise Unavailable(f"{name} is not built here" + (f" (it needs {package})" if package else ""))
        return str(path)

    @property
    def server_cpu(self):
        return min(os.sched_getaffinity(0))

    @property
    def load_cpu(self):
        return max(os.sched_getaffinity(0))

    def some(self, points):
        """All points that a theme measures, or the first and the last of them."""
        return [points[0], points[-1]] if self.quick and len(points) > 2 else points
