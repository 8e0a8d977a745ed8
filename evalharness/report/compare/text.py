"""A comparison of runs as text: unfair differences first, then pass rates, speeds and changed problems."""

from collections.abc import Iterator, Sequence

from evalharness.metrics.intervals import Interval
from evalharness.metrics.paired_tests import holm_adjusted, is_noninferior
from evalharness.report.compare.comparison import Comparison
from evalharness.report.compare.examples import example_lines
from evalharness.util.text import counted

LISTED = 12
"""Most changed problems that a list names."""


def comparison_lines(
    comparisons: Sequence[Comparison], margin: float | None, shown_problems: int, data: str | None
) -> Iterator[str]:
    """Yields text lines that describe comparisons of two runs, one comparison per task.

    P-values of several tasks are adjusted for their number (Holm). `margin`, in percentage points, adds a test for
    non-inferiority. `shown_problems` is the number of changed problems to print in full, with prompts from the source
    `data` (see `load_problems`).
    """
    adjusted = holm_adjusted([comparison.difference.p for comparison in comparisons])
    for comparison, p in zip(comparisons, adjusted, strict=True):
        yield from _lines_of_one_comparison(comparison, p if len(comparisons) > 1 else None, margin)
        if shown_problems and comparison.changed:
            yield from example_lines(comparison, shown_problems, data)
        yield ""


def _lines_of_one_comparison(comparison: Comparison, adjusted_p: float | None, margin: float | None) -> Iterator[str]:
    first, second = comparison.names
    difference = comparison.difference
    yield f"{comparison.title}: {second} compared with {first}"
    yield from (f"  UNFAIR      {line}" for line in comparison.unfair)
    unshared = [
        f"; {count} only in {name}" for count, name in zip(comparison.unshared, comparison.names, strict=True) if count
    ]
    yield f"  problems    {comparison.shared} in both{''.join(unshared)}"
    yield f"  pass@1      {comparison.rates[0]:.1%} -> {comparison.rates[1]:.1%}"
    yield f"  difference  {_percentage_points(difference.value)} points, 95 % CI {_interval_text(difference.ci95)}"
    holm = "" if adjusted_p is None else f", {_p_value(adjusted_p)} adjusted for the number of tasks (Holm)"
    yield f"  test        {difference.test}: p {_p_value(difference.p)}{holm}"
    yield f"  detectable  a true difference of {100 * difference.detectable:.1f} points (80 % power, 5 % level)"
    if margin is not None:
        shown = "is" if is_noninferior(difference, margin / 100) else "is not shown to be"
        yield f"  margin      {second} {shown} at most {margin:g} points worse than {first}"
    for ratio in comparison.ratios:
        interval = f", 95 % CI [{ratio.ci95[0]:.2f}, {ratio.ci95[1]:.2f}]" if ratio.ci95 else ""
        times = f"{ratio.value:.2f} times the {ratio.measure}{interval}"
        yield f"  speed       {times} ({ratio.first:.1f} -> {ratio.second:.1f})"
    if not comparison.ratios:
        yield f"  speed       {_missing_ratio_reason(comparison)}"
    yield f"  changed     {counted(len(comparison.worse), 'problem')} worse, {len(comparison.better)} better"
    for word, problems in (("worse", comparison.worse), ("better", comparison.better)):
        if problems:
            listed = ", ".join(problem.task_id for problem in problems[:LISTED])
            yield f"    {word}: {listed}{' ...' if len(problems) > LISTED else ''}"


def _p_value(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"= {p:.2g}"


def _missing_ratio_reason(comparison: Comparison) -> str:
    """Returns why the speeds of two runs cannot be compared, such as "not measured in either run"."""
    unmeasured = [name for run, name in zip(comparison.runs, comparison.names, strict=True) if not run.speed]
    if len(unmeasured) == 2:
        return "not measured in either run"
    return f"not measured for {unmeasured[0]}" if unmeasured else "no measure that both runs have"


def _percentage_points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _interval_text(ends: Interval) -> str:
    return f"[{_percentage_points(ends[0])}, {_percentage_points(ends[1])}]"
