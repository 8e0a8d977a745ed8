"""Intervals, paired tests and what follows from them. Rates and differences are fractions, not percent."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 2000
PERMUTATIONS = 9999
Interval = tuple[float, float]


def wilson(successes: float, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval for a rate. Source: Wilson 1927; scipy's `binomtest(...).proportion_ci("wilson")`."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate = successes / trials
    scale = 1 + z**2 / trials
    middle = (rate + z**2 / (2 * trials)) / scale
    half = z * np.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2)) / scale
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def interval(values: Sequence[float]) -> Interval:
    """95 % interval for the mean over problems of values in [0, 1], such as the share of samples that passed.

    Wilson's where every value is 0 or 1; else a percentile bootstrap over problems, so that the samples of one
    problem are not taken for independent. Where all values are alike, a bootstrap would know no doubt: Wilson again.
    """
    total, mean = len(values), float(np.mean(values))
    if all(value in (0.0, 1.0) for value in values) or len(set(values)) == 1:
        return wilson(mean * total, total)
    return bootstrap_mean(values)


def bootstrap_mean(values: Sequence[float]) -> Interval:
    """95 % percentile bootstrap of the mean; the draws are the same for the same values."""
    from scipy import stats  # half a second to import, and most runs have one sample per problem

    result = stats.bootstrap(
        (np.asarray(values, float),), np.mean, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(0)
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


@dataclass(frozen=True)
class Difference:
    """What two runs on the same problems say of the difference of their rates, second minus first."""

    value: float
    ci95: Interval
    p: float
    """Two-sided, of the hypothesis that there is none."""
    test: str
    seen: float
    """The smallest true difference that a run of this size finds with 80 % power at 5 %."""


def paired_difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """The difference of the mean over problems, given both runs' values of each problem, in the same order.

    Of outcomes 0 or 1 the test is McNemar's exact one, else one that flips the sign of each problem's difference at
    random, of which McNemar's is the special case. The interval is a bootstrap over problems, for which see
    `difference_interval`. Raises ValueError for no problems or unequal numbers of them.
    """
    one, two = np.asarray(first, float), np.asarray(second, float)
    if one.shape != two.shape or not one.size:
        raise ValueError(f"a paired comparison needs the same problems on both sides, not {one.size} and {two.size}")
    gaps = two - one
    exact = bool(np.isin(gaps, (-1.0, 0.0, 1.0)).all())
    return Difference(
        value=float(gaps.mean()),
        ci95=difference_interval(gaps),
        p=mcnemar(int((gaps < 0).sum()), int((gaps > 0).sum())) if exact else sign_flip(gaps),
        test="exact McNemar" if exact else "sign-flip permutation",
        seen=smallest_difference(gaps),
    )


def difference_interval(gaps: NDArray[np.float64]) -> Interval:
    """95 % interval for the mean of the problems' differences, each in [-1, 1].

    A percentile bootstrap over problems. It knows no doubt where no problem differs, and too little where few do:
    it is never narrower than what Wilson's interval leaves open for the share of problems that went up or down.
    """
    total = gaps.size
    ups, downs = float(gaps[gaps > 0].sum()), float(-gaps[gaps < 0].sum())
    (up_low, up_high), (down_low, down_high) = wilson(ups, total), wilson(downs, total)
    mean = (ups - downs) / total
    # Newcombe's way of adding up two intervals: each end is the mean less the root of the squared distances.
    low = mean - float(np.hypot(ups / total - up_low, down_high - downs / total))
    high = mean + float(np.hypot(up_high - ups / total, downs / total - down_low))
    if np.ptp(gaps):
        drawn = bootstrap_mean(gaps.tolist())
        low, high = min(low, drawn[0]), max(high, drawn[1])
    return max(-1.0, low), min(1.0, high)


def mcnemar(lost: int, won: int) -> float:
    """Exact two-sided p of McNemar's test, given how many problems changed each way; 1 where none did."""
    from scipy import stats

    return float(stats.binomtest(won, lost + won, 0.5).pvalue) if lost + won else 1.0


def sign_flip(gaps: NDArray[np.float64]) -> float:
    """Two-sided p of the mean difference, had each problem's difference been as likely the other way round."""
    changed = gaps[gaps != 0]
    if not changed.size:
        return 1.0
    draws = np.random.default_rng(0).choice((-1.0, 1.0), (PERMUTATIONS, changed.size)) @ changed
    at_least = int((np.abs(draws) >= abs(changed.sum()) - 1e-9).sum())
    return (at_least + 1) / (PERMUTATIONS + 1)


def smallest_difference(gaps: NDArray[np.float64], power: float = 0.8, level: float = 0.05) -> float:
    """The smallest true difference that a paired test of as many problems finds with that power.

    (z(1 - level/2) + z(power)) * s / sqrt(n), s the root mean square of the problems' differences, with n; and no less
    than 1 + log2(1/level) problems, rounded up: fewer changes, all of them one way, are no finding in an exact test.
    """
    z = NormalDist().inv_cdf(1 - level / 2) + NormalDist().inv_cdf(power)
    spread = float(np.sqrt(np.mean(gaps**2)))
    fewest = int(np.ceil(1 + np.log2(1 / level)))
    return min(1.0, max(z * spread / float(np.sqrt(gaps.size)), fewest / gaps.size))


def not_inferior(difference: Difference, margin: float) -> bool:
    """Whether the second run is not more than `margin` worse: the whole 95 % interval lies above -margin (level 2.5 %).

    Raises ValueError for a margin that is not above 0.
    """
    if margin <= 0:
        raise ValueError(f"a margin of {margin} leaves nothing to show; give one above 0")
    return difference.ci95[0] > -margin


def unpaired_gap(best: Sequence[float], other: Sequence[float]) -> Interval:
    """95 % interval for best - other of two independent rates, each given as (value, low, high).

    Source: Newcombe 1998, method 10: distances to the ends of both intervals added in quadrature.
    """
    gap = best[0] - other[0]
    low = gap - float(np.hypot(best[0] - best[1], other[2] - other[0]))
    high = gap + float(np.hypot(best[2] - best[0], other[0] - other[1]))
    return low, high


def mean_interval(rates: Sequence[Sequence[float]]) -> Interval:
    """95 % interval for the mean of independent rates, each given as (value, low, high), by quadrature likewise."""
    mean, count = float(np.mean([rate[0] for rate in rates])), len(rates)
    low = mean - float(np.sqrt(sum((rate[0] - rate[1]) ** 2 for rate in rates))) / count
    high = mean + float(np.sqrt(sum((rate[2] - rate[0]) ** 2 for rate in rates))) / count
    return max(0.0, low), min(1.0, high)


def ratio_error(amounts: Sequence[float], seconds: Sequence[float]) -> float | None:
    """Standard error of the logarithm of sum(amounts) / sum(seconds) over independent pieces of work.

    By linearisation: the standard deviation of amount/mean(amount) - seconds/mean(seconds), over sqrt(n). None for
    fewer than two pieces, or where either sum is zero.
    """
    top, bottom = np.asarray(amounts, float), np.asarray(seconds, float)
    if top.size < 2 or top.sum() <= 0 or bottom.sum() <= 0:
        return None
    parts = top / top.mean() - bottom / bottom.mean()
    return float(parts.std(ddof=1) / np.sqrt(parts.size))


def ratio_interval(value: float, error: float) -> Interval:
    """95 % interval for a positive quantity, given the standard error of its logarithm."""
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * error
    return float(value * np.exp(-reach)), float(value * np.exp(reach))


def holm(ps: Sequence[float]) -> list[float]:
    """The p-values corrected for their number, in the given order. Source: Holm 1979."""
    order = sorted(range(len(ps)), key=lambda place: ps[place])
    corrected, largest = [0.0] * len(ps), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[place]))
        corrected[place] = largest
    return corrected
