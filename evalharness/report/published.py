"""Reads published results: `results/published/SET.json`, and files of the same format that a user names."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from evalharness.errors import UserError
from evalharness.report.run_settings import Family
from evalharness.util.paths import bundled_folder
from evalharness.util.suggest import unknown_name_message

SINGLE_SOURCE = "secondary, one copy"
SINGLE_SOURCE_MARK = "†"
RATE = "pass@1"
SINGLE_STREAM_THROUGHPUT = ("output throughput", "sampling throughput excl. overhead")
GENERAL_BENCHMARKS = ("coding prompts", "eight open code", "average over", "avg of")
"""Beginnings of the names of benchmarks whose speed, by their source's account, describes the model in general."""


@dataclass(frozen=True)
class PublishedResult:
    """One published pass rate or speed of a model, as its source states it."""

    model: str
    family: Family
    benchmark: str
    metric: str
    value: float
    unit: str
    evidence: str
    """`primary`; `secondary, several agree`; or `secondary, one copy`."""
    source: str
    task: str | None = None
    """The task of this package that the benchmark is; None for other benchmarks."""
    setting: str = ""
    """What distinguishes two figures of one model and benchmark, such as a generation length."""
    hardware: str | None = None
    conditions: str = ""
    params: str | None = None
    set: str = ""
    """The name of the set that the figure belongs to."""

    @property
    def name(self) -> str:
        """The display name: model and setting, with a dagger if only one secondary source states the value."""
        setting = f", {self.setting}" if self.setting else ""
        return self.model + setting + (SINGLE_SOURCE_MARK if self.is_from_one_secondary_source else "")

    @property
    def is_from_one_secondary_source(self) -> bool:
        return self.evidence == SINGLE_SOURCE

    @property
    def is_rate(self) -> bool:
        """Whether the value is a pass@1 on one of this package's tasks."""
        return self.metric == RATE and self.task is not None

    @property
    def is_speed(self) -> bool:
        """Whether the value is the output speed of a single request in tokens/s, not the throughput of a batch."""
        return self.unit == "tokens/s" and self.metric in SINGLE_STREAM_THROUGHPUT


def list_published_sets() -> list[str]:
    """Returns the names of the bundled sets of published results."""
    return sorted(path.stem for path in bundled_folder("results/published").glob("*.json"))


def load_published_results(set_names: str) -> list[PublishedResult]:
    """Returns the published results that a comma-separated list names: bundled sets, `all`, or paths of files.

    Raises UserError for an unknown set, and for a file with another format.
    """
    points: list[PublishedResult] = []
    for name in filter(None, (part.strip() for part in set_names.split(","))):
        if name == "all":
            for set_name in list_published_sets():
                points += _read_published_file(bundled_folder("results/published") / f"{set_name}.json")
        elif name in list_published_sets():
            points += _read_published_file(bundled_folder("results/published") / f"{name}.json")
        elif Path(name).is_file():
            points += _read_published_file(Path(name))
        else:
            raise UserError(unknown_name_message("published set", name, ["all", *list_published_sets()]))
    return points


def find_published_speed_of(
    published_rate: PublishedResult, published_results: Sequence[PublishedResult]
) -> PublishedResult | None:
    """Returns the published speed that belongs to a published pass rate; None if its source states none.

    A speed on the same benchmark is preferred over one that describes the model in general.
    """
    described = (published_rate.model, published_rate.set, published_rate.setting)
    speeds = [
        point for point in published_results if point.is_speed and (point.model, point.set, point.setting) == described
    ]
    same = [point for point in speeds if point.benchmark == published_rate.benchmark]
    general = [point for point in speeds if point.benchmark.startswith(GENERAL_BENCHMARKS)]
    return next(iter([*same, *general]), None)


def _read_published_file(path: Path) -> list[PublishedResult]:
    field_names = {field.name for field in fields(PublishedResult)}
    try:
        content: Mapping[str, Any] = json.loads(path.read_bytes())
        return [
            PublishedResult(**{"set": path.stem, **{key: value for key, value in row.items() if key in field_names}})
            for row in content["points"]
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"--published {path} is not a file of published results; write it in the format that "
            "results/published/README.md describes"
        ) from None
