"""Published reference points: `results/published/SET.json`, and files of the same form that a user names."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from evalharness.errors import UserError
from evalharness.util.paths import bundled
from evalharness.util.suggest import unknown_name

ONE_COPY = "secondary, one copy"
THROUGHPUT = "output throughput"
GENERAL = ("coding prompts", "eight open code", "average over", "avg of")
"""How the benchmarks begin whose speed stands for the model as a whole, by the source's own account."""


@dataclass(frozen=True)
class PublishedPoint:
    """One published figure, as its source has it."""

    model: str
    family: str
    """ar or diffusion."""
    benchmark: str
    metric: str
    value: float
    unit: str
    evidence: str
    """primary; secondary, several agree; secondary, one copy."""
    source: str
    task: str | None = None
    """The name of the task here that the benchmark is, if it is one."""
    setting: str = ""
    """What tells two figures of one model and benchmark apart, such as a length."""
    hardware: str | None = None
    conditions: str = ""
    params: str | None = None
    set: str = ""

    @property
    def name(self) -> str:
        """The model, with its setting where it has one, and a mark where a single copy is all there is."""
        return self.model + (f", {self.setting}" if self.setting else "") + (" (one copy)" if self.one_copy else "")

    @property
    def one_copy(self) -> bool:
        return self.evidence == ONE_COPY

    @property
    def is_rate(self) -> bool:
        """Whether it is a pass@1 of one of the tasks here."""
        return self.metric == "pass@1" and self.task is not None

    @property
    def is_speed(self) -> bool:
        """Whether it is the speed of one stream, in tokens/s. Batched totals are not."""
        return self.unit == "tokens/s" and self.metric in (THROUGHPUT, "sampling throughput excl. overhead")


def published_sets() -> list[str]:
    """The names of the bundled sets."""
    return sorted(path.stem for path in bundled("results/published").glob("*.json"))


def load_published(names: str) -> list[PublishedPoint]:
    """The points of sets separated by commas; `all` is every bundled one, a path a file of the same form.

    Raises UserError for an unknown set or a file that is not of the form.
    """
    found: list[PublishedPoint] = []
    for name in filter(None, (part.strip() for part in names.split(","))):
        if name == "all":
            found += [
                point for one in published_sets() for point in _read(bundled("results/published") / f"{one}.json")
            ]
        elif name in published_sets():
            found += _read(bundled("results/published") / f"{name}.json")
        elif Path(name).is_file():
            found += _read(Path(name))
        else:
            raise UserError(unknown_name("published set", name, ["all", *published_sets()]))
    return found


def speed_of(point: PublishedPoint, points: Sequence[PublishedPoint]) -> PublishedPoint | None:
    """The speed that goes with a rate: of the same model, set, setting and benchmark, else the model's general one."""
    speeds = [
        other for other in points
        if other.is_speed and (other.model, other.set, other.setting) == (point.model, point.set, point.setting)
    ]  # fmt: skip
    same = [other for other in speeds if other.benchmark == point.benchmark]
    general = [other for other in speeds if other.benchmark.startswith(GENERAL)]
    return next(iter([*same, *general]), None)


def _read(path: Path) -> list[PublishedPoint]:
    known = {field.name for field in fields(PublishedPoint)}
    try:
        held: Mapping[str, Any] = json.loads(path.read_bytes())
        return [
            PublishedPoint(**{"set": path.stem, **{key: value for key, value in row.items() if key in known}})
            for row in held["points"]
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{path} holds no published points; see results/published/README.md for the form") from None
