"""pass@k, the probability that at least one of k samples of a problem passes, with 95 % intervals."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from evalharness.data.run_types import CategoryPassRates, PassRate
from evalharness.metrics.intervals import mean_interval
from evalharness.records import Problem, Status, Verdict

DEFAULT_KS = (1, 5, 10, 100)
NUMBER_OF = re.compile(r" \d+ of \d+$")
"""The end of an extraction such as "fenced block 1 of 2"."""


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """Returns the unbiased estimate of pass@k of one problem: 1 - C(n - c, k) / C(n, k), n samples, c of them passed.

    Source: Chen et al. 2021 (arXiv 2107.03374), section 2.1; `estimate_pass_at_k` in openai/human-eval,
    human_eval/evaluation.py. Raises ValueError for fewer samples than k.
    """
    if samples < k:
        raise ValueError(
            f"pass@{k} needs at least {k} samples of each problem, not {samples}; use a smaller k, or more samples"
        )
    if samples - passed < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(samples - passed + 1, samples + 1)))


@dataclass(slots=True)
class ProblemSampleCounts:
    """Counts of one problem's samples; those of status `infrastructure` (not graded) are only counted in `statuses`."""

    statuses: Counter[Status] = field(default_factory=Counter)
    samples: int = 0
    passed: int = 0
    base_samples: int = 0
    """Samples of a plus task that have a verdict on the original ("base") tests."""
    base_passed: int = 0
    extraction: Counter[str] = field(default_factory=Counter)
    """Number of samples by the extraction rule that found their program, such as "fenced block"."""


def count_samples_by_problem(verdicts: Iterable[Verdict]) -> dict[str, ProblemSampleCounts]:
    """Returns the sample counts of each problem, by task id in sorted order, from the verdicts."""
    tallies: dict[str, ProblemSampleCounts] = defaultdict(ProblemSampleCounts)
    for verdict in verdicts:
        counts = tallies[verdict.task_id]
        counts.statuses[verdict.status] += 1
        if verdict.status != "infrastructure":
            counts.samples += 1
            counts.passed += verdict.passed
            if verdict.extraction:
                counts.extraction[NUMBER_OF.sub("", verdict.extraction)] += 1
            if verdict.base_passed is not None:
                counts.base_samples += 1
                counts.base_passed += verdict.base_passed
    return dict(sorted(tallies.items()))  # The bootstrap's draws depend on the order of the problems.


def pass_rates(
    counts_by_problem: Mapping[str, ProblemSampleCounts], ks: Sequence[int] = DEFAULT_KS
) -> dict[str, PassRate]:
    """Returns `pass@k` (for EvalPlus also `base_pass@k`) for each k for which every problem has at least k samples.

    Each value is the mean of `pass_at_k` over problems, a fraction; `ci95` is its interval by `mean_interval`. Problems
    without a graded sample are omitted.
    """
    judged = [(counts.samples, counts.passed) for counts in counts_by_problem.values()]
    base = [(counts.base_samples, counts.base_passed) for counts in counts_by_problem.values()]
    return _mean_pass_rates_at_ks("pass", judged, ks) | _mean_pass_rates_at_ks("base_pass", base, ks)


def pass_rates_by_facet(
    counts_by_problem: Mapping[str, ProblemSampleCounts],
    problems: Mapping[str, Problem],
    ks: Sequence[int] = DEFAULT_KS,
) -> dict[str, dict[str, CategoryPassRates]]:
    """Returns pass@k for each category of problems, as {facet: {category: number of problems, and rates}}.

    A facet is a property by which problems are grouped, such as "month"; its values are the categories.
    """
    by_facet: dict[str, dict[str, dict[str, ProblemSampleCounts]]] = defaultdict(lambda: defaultdict(dict))
    for task_id, counts in counts_by_problem.items():
        for facet, kind in problems[task_id].facets.items():
            by_facet[facet][kind][task_id] = counts
    return {
        facet: {
            kind: {"problems": len(kind_tallies), "metrics": pass_rates(kind_tallies, ks)}
            for kind, kind_tallies in sorted(tallies_by_kind.items())
        }
        for facet, tallies_by_kind in by_facet.items()
    }


def _mean_pass_rates_at_ks(
    metric_prefix: str, samples_and_passed: Iterable[tuple[int, int]], ks: Sequence[int]
) -> dict[str, PassRate]:
    """Returns {"PREFIX@k": mean rate over problems} for each k up to the smallest number of samples of a problem.

    `samples_and_passed` are the (samples, passed) of each problem; problems without samples are ignored.
    """
    judged = [(samples, passed) for samples, passed in samples_and_passed if samples]
    fewest = min((samples for samples, _ in judged), default=0)
    return {
        f"{metric_prefix}@{k}": _mean_with_interval([pass_at_k(samples, passed, k) for samples, passed in judged])
        for k in ks
        if k <= fewest
    }


def _mean_with_interval(values: Sequence[float]) -> PassRate:
    """Returns the mean of the problems' values, such as their pass@1, with its 95 % interval."""
    return {"value": float(np.mean(values)), "ci95": list(mean_interval(values))}
