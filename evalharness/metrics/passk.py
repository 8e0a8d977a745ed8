"""pass@k, the chance that one of k samples of a problem passes, with 95 % intervals."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from evalharness.metrics.statistics import interval
from evalharness.records import Problem, Verdict

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


def rates(verdicts: Iterable[Verdict], ks: Sequence[int] = DEFAULT_KS) -> dict[str, Any]:
    """`pass@k` for each k that every problem has samples enough for, and `base_pass@k` for the plus tasks.

    Each is {"value": fraction, "ci95": [low, high]}. Samples whose machinery failed are in no rate.
    """
    # In a fixed order, which the bootstrap's draws depend on; that of the rows is the order of finishing.
    judged = sorted((row for row in verdicts if row.status != "infrastructure"), key=lambda row: row.key)
    found = _rates("pass", [(row.task_id, row.passed) for row in judged], ks)
    base = [(row.task_id, row.base_passed) for row in judged if row.base_passed is not None]
    return found | (_rates("base_pass", base, ks) if base else {})


def rates_by_facet(
    verdicts: Sequence[Verdict], problems: Mapping[str, Problem], ks: Sequence[int] = DEFAULT_KS
) -> dict[str, dict[str, Any]]:
    """The same for each kind of problem: facet -> kind -> {"problems": how many, "metrics": as `rates`}."""
    kinds: dict[str, dict[str, list[Verdict]]] = defaultdict(lambda: defaultdict(list))
    for row in verdicts:
        for facet, kind in problems[row.task_id].facets.items():
            kinds[facet][kind].append(row)
    return {
        facet: {
            kind: {"problems": len({row.task_id for row in rows}), "metrics": rates(rows, ks)}
            for kind, rows in sorted(by_kind.items())
        }
        for facet, by_kind in kinds.items()
    }


def _rates(name: str, outcomes: list[tuple[str, bool]], ks: Sequence[int]) -> dict[str, Any]:
    by_problem: dict[str, list[bool]] = defaultdict(list)
    for task_id, passed in outcomes:
        by_problem[task_id].append(passed)
    fewest = min((len(each) for each in by_problem.values()), default=0)
    return {
        f"{name}@{k}": _estimate([pass_at_k(len(each), sum(each), k) for each in by_problem.values()])
        for k in ks
        if k <= fewest
    }


def _estimate(values: list[float]) -> dict[str, Any]:
    return {"value": float(np.mean(values)), "ci95": list(interval(values))}
