"""95 % confidence intervals of rates, of their differences and means, and of ratios such as tokens/s.

Rates and differences are fractions, not percent.
"""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 2000
Interval = tuple[float, float]
Estimate = tuple[float, float, float]
"""A value and the ends of its interval: (value, low, high)."""


def wilson_interval(successes: float, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Returns Wilson's score interval of a binomial rate, by default at 95 % confidence.

    (p + z^2/2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2/n) with n trials, p = successes / n and the normal
    quantile z. Source: Wilson 1927. Equal to scipy's `binomtest(...).proportion_ci("wilson")`, which only accepts
    integers; here `successes` may be fractional, such as a sum of pass@1 over problems with several samples.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate = successes / trials
    scale = 1 + z**2 / trials
    center = (rate + z**2 / (2 * trials)) / scale
    half_width = z * np.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2)) / scale
    # Without successes, or without failures, an end is exact; the formula rounds it to a number such as 2.8e-17.
    low = 0.0 if successes <= 0 else max(0.0, float(center - half_width))
    return low, 1.0 if successes >= trials else min(1.0, float(center + half_width))


def mean_interval(values: Sequence[float]) -> Interval:
    """Returns the 95 % interval of the mean over problems of values in [0, 1], such as each problem's pass@1.

    This is Wilson's interval if every value is 0 or 1, and otherwise a percentile bootstrap over problems: the samples
    of one problem are not independent, so problems are resampled. If all values are equal, a bootstrap interval would
    have width 0, so Wilson's interval is used then, too.
    """
    total, mean = len(values), float(np.mean(values))
    if all(value in (0.0, 1.0) for value in values) or len(set(values)) == 1:
        return wilson_interval(mean * total, total)
    return bootstrap_interval(values)


def bootstrap_interval(values: Sequence[float]) -> Interval:
    """Returns the 95 % percentile bootstrap interval of the values' mean, from 2000 resamples with a fixed seed."""
    from scipy import stats  # Importing scipy.stats takes more than half a second, and most runs do not need it.

    result = stats.bootstrap(
        (np.asarray(values, float),), np.mean, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(0)
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def difference_of_independent_rates_interval(first_rate: Estimate, second_rate: Estimate) -> Interval:
    """Returns the 95 % interval of the difference first - second of two independent rates.

    Its ends are d - sqrt((p1 - l1)^2 + (u2 - p2)^2) and d + sqrt((u1 - p1)^2 + (p2 - l2)^2), where d = p1 - p2 and [l,
    u] is the interval of a rate p. Source: Newcombe 1998 (Statistics in Medicine 17, 873-890), method 10.
    """
    difference = first_rate[0] - second_rate[0]
    low = difference - float(np.hypot(first_rate[0] - first_rate[1], second_rate[2] - second_rate[0]))
    high = difference + float(np.hypot(first_rate[2] - first_rate[0], second_rate[0] - second_rate[1]))
    return low, high


def mean_of_rates_interval(rate_estimates: Sequence[Estimate]) -> Interval:
    """Returns the 95 % interval of the mean of independent rates, such as several tasks' pass@1 (Newcombe's method)."""
    mean, count = float(np.mean([rate[0] for rate in rate_estimates])), len(rate_estimates)
    low = mean - float(np.sqrt(sum((rate[0] - rate[1]) ** 2 for rate in rate_estimates))) / count
    high = mean + float(np.sqrt(sum((rate[2] - rate[0]) ** 2 for rate in rate_estimates))) / count
    return max(0.0, low), min(1.0, high)


def standard_error_of_log_ratio(amounts_per_item: Sequence[float], seconds_per_item: Sequence[float]) -> float | None:
    """Returns the standard error of log(sum(amounts) / sum(seconds)) over independent work items, such as requests.

    By the delta method: sd(amount / mean(amount) - seconds / mean(seconds)) / sqrt(n). The amounts have any unit, such
    as tokens. Returns None for fewer than two items, and if a sum is zero.
    """
    numerator, denominator = np.asarray(amounts_per_item, float), np.asarray(seconds_per_item, float)
    if numerator.size < 2 or numerator.sum() <= 0 or denominator.sum() <= 0:
        return None
    deviations = numerator / numerator.mean() - denominator / denominator.mean()
    return float(deviations.std(ddof=1) / np.sqrt(deviations.size))


def log_normal_interval(value: float, log_standard_error: float) -> Interval:
    """Returns the 95 % interval of a positive value from `log_standard_error`, the standard error of its logarithm.

    The ends are value * exp(-1.96 * log_standard_error) and value * exp(1.96 * log_standard_error).
    """
    half_width = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * log_standard_error
    return float(value * np.exp(-half_width)), float(value * np.exp(half_width))
