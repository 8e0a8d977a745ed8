"""Two runs side by side: what makes the comparison unfair, the difference, the speeds, the problems that flipped."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any

import numpy as np

from evalharness.data.task_ids import natural_key
from evalharness.errors import UserError
from evalharness.metrics.intervals import Interval, log_normal_interval
from evalharness.metrics.paired_tests import Difference, paired_difference
from evalharness.metrics.request_times import log_tokens_per_s_error, warmup_keys
from evalharness.records import Completion, Verdict
from evalharness.report.compare.fairness import unfair
from evalharness.report.frontier.points import panel_title
from evalharness.report.naming import name_runs
from evalharness.report.run_metrics import speed_of, standing
from evalharness.report.runs import RunRecord

MEASURES = {"aggregate": "tokens/s", "common": "tokens/s by one tokenizer", "characters": "characters/s"}


@dataclass(frozen=True)
class Flip:
    """A problem whose samples fared differently."""

    task_id: str
    first: float
    """The share of the first run's samples that passed."""
    second: float


@dataclass(frozen=True)
class Ratio:
    """Second run's speed / first run's."""

    measure: str
    first: float
    second: float
    ci95: Interval | None
    """None where it cannot be told, such as for a single request."""

    @property
    def value(self) -> float:
        return self.second / self.first


@dataclass(frozen=True)
class Comparison:
    """What two runs of one task say of each other."""

    title: str
    first: RunRecord
    second: RunRecord
    names: tuple[str, str]
    unfair: tuple[str, ...]
    """Differences of configuration that make the comparison unfair, the gravest first."""
    rates: tuple[float, float]
    """pass@1 on the shared problems."""
    shared: int
    alone: tuple[int, int]
    """Problems that only one of the runs has a verdict on."""
    difference: Difference
    ratios: tuple[Ratio, ...]
    flips: tuple[Flip, ...]
    """Lost ones first, the largest change first."""

    @property
    def lost(self) -> int:
        return sum(flip.second < flip.first for flip in self.flips)

    @property
    def won(self) -> int:
        return len(self.flips) - self.lost


def compare_all(
    first: Sequence[RunRecord], second: Sequence[RunRecord], note: Callable[[str], None] = lambda text: None
) -> list[Comparison]:
    """Each task that both have, compared. `note` is told of tasks that only one has.

    Raises UserError where they share none, or where one of them has several runs of a task.
    """
    left, right = _by_task(first), _by_task(second)
    shared = [task for task in left if task in right]
    if not shared:
        _refuse(left, right)
    if rest := sorted(set(left) ^ set(right)):
        note(f"not compared, as only one side has them: {', '.join(rest)}")
    return [compare(left[task], right[task]) for task in shared]


def compare(first: RunRecord, second: RunRecord) -> Comparison:
    """Two runs of one task compared. Raises UserError for different tasks, for a sample against full data, and for
    runs that share no judged problem."""
    if first.summary.get("task") != second.summary.get("task"):
        _refuse({str(first.summary.get("task")): first}, {str(second.summary.get("task")): second})
    one, two = shares(first), shares(second)
    ids = [task_id for task_id in one if task_id in two]
    if not ids:
        raise UserError(f"{first.folder} and {second.folder} have no judged problem in common; compare other runs")
    pairs = [(task_id, one[task_id], two[task_id]) for task_id in ids]
    flips = [Flip(*pair) for pair in pairs if pair[1] != pair[2]]
    left, right = name_runs([first, second])
    names = (left.label, right.label) if left.label != right.label else (first.folder.name, second.folder.name)
    values = ([pair[1] for pair in pairs], [pair[2] for pair in pairs])
    return Comparison(
        title=panel_title(first.summary),
        first=first,
        second=second,
        names=names,
        unfair=tuple(unfair(first, second, names)),
        rates=(float(np.mean(values[0])), float(np.mean(values[1]))),
        shared=len(ids),
        alone=(len(one) - len(ids), len(two) - len(ids)),
        difference=paired_difference(*values),
        ratios=tuple(ratios(first, second)),
        flips=tuple(sorted(flips, key=lambda flip: (flip.second - flip.first, natural_key(flip.task_id)))),
    )


def shares(run: RunRecord) -> dict[str, float]:
    """The share of each problem's judged samples that passed, in the order of the problems' ids."""
    held: dict[str, list[bool]] = defaultdict(list)
    for row in run.verdicts():
        if row.status != "infrastructure":
            held[row.task_id].append(row.passed)
    return {task_id: sum(passed) / len(passed) for task_id, passed in sorted(held.items())}


def ratios(first: RunRecord, second: RunRecord) -> list[Ratio]:
    """The ratio of each speed that both runs have. Its interval takes the two runs for independent."""
    errors = [_error(first), _error(second)]
    found = []
    for kind, measure in MEASURES.items():
        one, two = _speed(first, kind), _speed(second, kind)
        same_tokenizer = kind != "common" or _tokenizer(first) == _tokenizer(second)
        if one and two and same_tokenizer:
            known = kind == "aggregate" and None not in errors
            ends = log_normal_interval(two / one, hypot(*(error or 0.0 for error in errors))) if known else None
            found.append(Ratio(measure, one, two, ends))
    return found


def _speed(run: RunRecord, kind: str) -> float | None:
    if kind == "characters":
        value = run.summary.get("speed", {}).get("characters_per_s")
        return float(value) if value else None
    return speed_of(run, kind)


def _tokenizer(run: RunRecord) -> Any:
    return run.summary.get("speed", {}).get("tokenizer")


def _error(run: RunRecord) -> float | None:
    rows = [row for row in run.completions() if row.total_s is not None and row.started_at is not None]
    warm = warmup_keys(rows) if rows else frozenset()
    return log_tokens_per_s_error([row for row in rows if row.key not in warm])


def _by_task(runs: Sequence[RunRecord]) -> dict[str, RunRecord]:
    found: dict[str, RunRecord] = {}
    for run in runs:
        task = str(run.summary.get("task"))
        if task in found:
            raise UserError(f"{found[task].folder} and {run.folder} are both of {task}; name the one to compare")
        found[task] = run
    return found


def _refuse(left: Mapping[str, RunRecord], right: Mapping[str, RunRecord]) -> None:
    for task, run in left.items():
        for other in right.values():
            if standing(run) != standing(other) and "sample" in (standing(run), standing(other)):
                raise UserError(
                    f"{run.folder} is of {task}, {other.folder} of {other.summary.get('task')}: samples and full data "
                    "have nothing in common; run both on the same"
                )
    raise UserError(
        f"the runs are of different tasks ({', '.join(left)} and {', '.join(right)}); compare runs of one task"
    )


@dataclass(frozen=True)
class Sides:
    """Both runs' samples of one problem."""

    completions: tuple[list[Completion], list[Completion]]
    verdicts: tuple[list[Verdict], list[Verdict]]


def sides(comparison: Comparison, task_ids: Sequence[str]) -> dict[str, Sides]:
    """What both runs answered to problems, and how it was judged."""
    found = {task_id: Sides(([], []), ([], [])) for task_id in task_ids}
    for place, run in enumerate((comparison.first, comparison.second)):
        for completion in run.completions():
            if completion.task_id in found:
                found[completion.task_id].completions[place].append(completion)
        for verdict in run.verdicts():
            if verdict.task_id in found:
                found[verdict.task_id].verdicts[place].append(verdict)
    return found
