"""pass@k, the chance that one of k samples of a problem passes, with 95 % intervals."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evalharness.metrics.statistics import interval
from evalharness.records import Problem, Status, Verdict

DEFAULT_KS = (1, 5, 10, 100)


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """The unbiased estimate from `passed` of `samples`, 1 - C(n-c, k) / C(n, k).

    Source: Codex paper (arXiv 2107.03374) section 2.1, openai/human-eval human_eval/evaluation.py.
    Raises ValueError for fewer samples than k.
    """
    if samples < k:
        raise ValueError(f"pass@{k} needs at least {k} samples, not {samples}")
    if samples - passed < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(samples - passed + 1, samples + 1)))


@dataclass(slots=True)
class Tally:
    """What became of a problem's samples. Those whose machinery failed are in `statuses`, and in no other count."""

    statuses: Counter[Status] = field(default_factory=Counter)
    samples: int = 0
    passed: int = 0
    base_samples: int = 0
    base_passed: int = 0


def tally(verdicts: Iterable[Verdict]) -> dict[str, Tally]:
    """The verdicts counted by problem, in the order of task ids, whatever the order of the rows; they are not kept."""
    found: dict[str, Tally] = defaultdict(Tally)
    for row in verdicts:
        one = found[row.task_id]
        one.statuses[row.status] += 1
        if row.status != "infrastructure":
            one.samples += 1
            one.passed += row.passed
            if row.base_passed is not None:
                one.base_samples += 1
                one.base_passed += row.base_passed
    return dict(sorted(found.items()))  # the bootstrap's draws depend on the order


def rates(tallies: Mapping[str, Tally], ks: Sequence[int] = DEFAULT_KS) -> dict[str, Any]:
    """`pass@k` for each k that every problem has samples enough for, and `base_pass@k` for the plus tasks.

    Each is {"value": fraction, "ci95": [low, high]}. Samples whose machinery failed are in no rate.
    """
    found = _rates("pass", [(each.samples, each.passed) for each in tallies.values()], ks)
    return found | _rates("base_pass", [(each.base_samples, each.base_passed) for each in tallies.values()], ks)


def rates_by_facet(
    tallies: Mapping[str, Tally], problems: Mapping[str, Problem], ks: Sequence[int] = DEFAULT_KS
) -> dict[str, dict[str, Any]]:
    """The same for each kind of problem: facet -> kind -> {"problems": how many, "metrics": as `rates`}."""
    kinds: dict[str, dict[str, dict[str, Tally]]] = defaultdict(lambda: defaultdict(dict))
    for task_id, one in tallies.items():
        for facet, kind in problems[task_id].facets.items():
            kinds[facet][kind][task_id] = one
    return {
        facet: {kind: {"problems": len(each), "metrics": rates(each, ks)} for kind, each in sorted(by_kind.items())}
        for facet, by_kind in kinds.items()
    }


def _rates(name: str, counts: Iterable[tuple[int, int]], ks: Sequence[int]) -> dict[str, Any]:
    """From the samples and the passed ones of each problem; one without samples is left out."""
    judged = [(samples, passed) for samples, passed in counts if samples]
    fewest = min((samples for samples, _ in judged), default=0)
    return {
        f"{name}@{k}": _estimate([pass_at_k(samples, passed, k) for samples, passed in judged])
        for k in ks
        if k <= fewest
    }


def _estimate(values: list[float]) -> dict[str, Any]:
    return {"value": float(np.mean(values)), "ci95": list(interval(values))}
