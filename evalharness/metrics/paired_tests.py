"""Significance tests of the difference between two runs on the same problems. Rates are fractions, not percent."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from evalharness.metrics.intervals import Interval, bootstrap_interval, wilson_interval

PERMUTATIONS = 9999
BATCH = 500
"""Number of permutations that are in memory at once."""


@dataclass(frozen=True)
class PairedDifference:
    """The difference of two runs' pass rates on the same problems (second minus first), with interval and p-value."""

    value: float
    ci95: Interval
    p: float
    """The two-sided p-value of the hypothesis that the true difference is 0."""
    test: str
    detectable: float
    """The smallest true difference that a comparison of this size detects with 80 % power at the 5 % level."""


def paired_difference(first_scores: Sequence[float], second_scores: Sequence[float]) -> PairedDifference:
    """Returns the difference of two runs' mean scores (second minus first), with a paired test.

    Each run has one score in [0, 1] per problem; both runs list the same problems in the same order. The
    test is McNemar's exact test if all scores are 0 or 1, and otherwise a sign-flip permutation test, which generalizes
    it. Raises ValueError for no problems, and for unequal numbers of problems.
    """
    before, after = np.asarray(first_scores, float), np.asarray(second_scores, float)
    if before.shape != after.shape or not before.size:
        raise ValueError(
            f"two runs can only be compared on the same problems, at least one; the first run has {before.size} "
            f"problems, the second {after.size}"
        )
    differences = after - before
    binary = bool(np.isin(differences, (-1.0, 0.0, 1.0)).all())
    return PairedDifference(
        value=float(differences.mean()),
        ci95=mean_difference_interval(differences),
        p=mcnemar_p_value(int((differences < 0).sum()), int((differences > 0).sum()))
        if binary
        else sign_flip_p_value(differences),
        test="exact McNemar" if binary else "sign-flip permutation",
        detectable=detectable_difference(differences),
    )


def mean_difference_interval(differences_by_problem: NDArray[np.float64]) -> Interval:
    """Returns the 95 % interval of the mean difference of two runs, from each problem's difference in [-1, 1].

    The result is the smallest interval that contains two others. The first is a percentile bootstrap over problems. The
    second is Newcombe's interval (see `difference_of_independent_rates_interval`) of the difference of two rates, each
    with Wilson's interval: the rate of problems that got better, and of those that got worse. The bootstrap alone would
    have width 0 if no problem differs, and be too narrow if few do.
    """
    total = differences_by_problem.size
    better, worse = (
        float(differences_by_problem[differences_by_problem > 0].sum()),
        float(-differences_by_problem[differences_by_problem < 0].sum()),
    )
    (better_low, better_high), (worse_low, worse_high) = wilson_interval(better, total), wilson_interval(worse, total)
    mean = (better - worse) / total
    low = mean - float(np.hypot(better / total - better_low, worse_high - worse / total))
    high = mean + float(np.hypot(better_high - better / total, worse / total - worse_low))
    if np.ptp(differences_by_problem):
        bootstrap = bootstrap_interval(differences_by_problem.tolist())
        low, high = min(low, bootstrap[0]), max(high, bootstrap[1])
    return max(-1.0, low), min(1.0, high)


def mcnemar_p_value(worse_problems: int, better_problems: int) -> float:
    """Returns the two-sided p-value of McNemar's exact test; 1 if no problem changed.

    `worse_problems` is the number of problems that only the first run solves, `better_problems` the number of those
    that only the second run solves. Under the null hypothesis a changed problem is equally likely to be either (a
    binomial test at 1/2).
    """
    from scipy import stats

    return (
        float(stats.binomtest(better_problems, worse_problems + better_problems, 0.5).pvalue)
        if worse_problems + better_problems
        else 1.0
    )


def sign_flip_p_value(differences_by_problem: NDArray[np.float64]) -> float:
    """Returns the two-sided p-value of a one-sample permutation test of the mean difference; 1 if all are 0.

    Under the null hypothesis the sign of each problem's difference is random. The test is exact for at most 13 changed
    problems (2^13 sign patterns), and otherwise uses 9999 random patterns with a fixed seed.
    """
    from scipy import stats

    changed = differences_by_problem[differences_by_problem != 0]
    if changed.size < 2:
        return 1.0  # The sign patterns of a single change are equally extreme; scipy needs at least two values.

    def absolute_mean(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        return np.asarray(np.round(np.abs(np.mean(values, axis=axis)), 12))  # Unrounded, equal means may differ.

    return float(
        stats.permutation_test(
            (changed,),
            absolute_mean,
            permutation_type="samples",
            alternative="greater",
            n_resamples=PERMUTATIONS,
            batch=BATCH,
            vectorized=True,
            rng=np.random.default_rng(0),
        ).pvalue
    )


def detectable_difference(
    differences_by_problem: NDArray[np.float64], power: float = 0.8, level: float = 0.05
) -> float:
    """Returns the smallest true difference of two runs that a paired test detects with probability `power`.

    `level` is the significance level of the test. For n problems the result is (z(1 - level/2) + z(power)) s / sqrt(n),
    where s is the root mean square of `differences_by_problem`. The result is at least ceil(1 + log2(1/level)) / n,
    since with fewer changed problems the exact test is not significant even if all changes have one direction.
    """
    z = NormalDist().inv_cdf(1 - level / 2) + NormalDist().inv_cdf(power)
    spread = float(np.sqrt(np.mean(differences_by_problem**2)))
    fewest = int(np.ceil(1 + np.log2(1 / level)))
    return min(1.0, max(z * spread / float(np.sqrt(differences_by_problem.size)), fewest / differences_by_problem.size))


def is_noninferior(difference: PairedDifference, margin: float) -> bool:
    """Returns whether the second run is less than `margin` worse: the whole 95 % interval lies above -margin.

    This is a one-sided test at the 2.5 % level. Raises ValueError if the margin is not above 0.
    """
    if margin <= 0:
        raise ValueError(f"the margin of a non-inferiority test must be greater than 0, not {margin}")
    return difference.ci95[0] > -margin


def adjust_p_values_by_holm(p_values: Sequence[float]) -> list[float]:
    """Returns the p-values, adjusted for multiple testing by Holm's method (1979), in the order of `p_values`.

    The i-th smallest of m p-values is multiplied by m - i + 1, and then raised to the adjusted value of the next
    smaller one if that is larger.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
