"""A comparison of runs as text: unfair differences first, then pass rates, speeds and changed problems."""

from collections.abc import Iterator, Sequence

from evalharness.metrics.intervals import Interval
from evalharness.metrics.paired_tests import adjust_p_values_by_holm, is_noninferior
from evalharness.report.compare.comparison import Comparison
from evalharness.report.compare.examples import changed_problem_lines
from evalharness.util.text import counted

LISTED = 12
"""Most changed problems that a list names."""


def comparison_lines(
    comparisons: Sequence[Comparison],
    noninferiority_margin: float | None,
    max_shown_problems: int,
    data_source: str | None,
) -> Iterator[str]:
    """Yields text lines that describe comparisons of two runs, one comparison per task.

    P-values of several tasks are adjusted for multiple comparisons (Holm). `noninferiority_margin`, in percentage
    points, adds a test for non-inferiority. Up to `max_shown_problems` changed problems are shown in full, with prompts
    from `data_source` (a folder, "hub", "sample", or None for the default; see `load_problems`).
    """
    adjusted = adjust_p_values_by_holm([comparison.difference.p for comparison in comparisons])
    for comparison, p in zip(comparisons, adjusted, strict=True):
        yield from _lines_of_one_comparison(comparison, p if len(comparisons) > 1 else None, noninferiority_margin)
        if max_shown_problems and comparison.changed:
            yield from changed_problem_lines(comparison, max_shown_problems, data_source)
        yield ""


def _lines_of_one_comparison(
    comparison: Comparison, adjusted_p_value: float | None, noninferiority_margin: float | None
) -> Iterator[str]:
    first, second = comparison.names
    difference = comparison.difference
    yield f"{comparison.title}: {second} compared with {first}"
    yield from (f"  UNFAIR      {line}" for line in comparison.unfair)
    unshared = [
        f"; {count} only in {name}" for count, name in zip(comparison.unshared, comparison.names, strict=True) if count
    ]
    yield f"  problems    {comparison.shared} in both{''.join(unshared)}"
    yield f"  pass@1      {comparison.rates[0]:.1%} -> {comparison.rates[1]:.1%}"
    points = _format_percentage_points(difference.value)
    yield f"  difference  {points} points, 95 % CI {_format_interval(difference.ci95)}"
    holm = (
        ""
        if adjusted_p_value is None
        else f", {_format_p_value(adjusted_p_value)} adjusted for the number of tasks (Holm)"
    )
    yield f"  test        {difference.test}: p {_format_p_value(difference.p)}{holm}"
    yield f"  detectable  a true difference of {100 * difference.detectable:.1f} points (80 % power, 5 % level)"
    if noninferiority_margin is not None:
        shown = "is" if is_noninferior(difference, noninferiority_margin / 100) else "is not shown to be"
        yield f"  margin      {second} {shown} at most {noninferiority_margin:g} points worse than {first}"
    for ratio in comparison.ratios:
        interval = f", 95 % CI [{ratio.ci95[0]:.2f}, {ratio.ci95[1]:.2f}]" if ratio.ci95 else ""
        times = f"{ratio.value:.2f} times the {ratio.measure}{interval}"
        yield f"  speed       {times} ({ratio.first:.1f} -> {ratio.second:.1f})"
    if not comparison.ratios:
        yield f"  speed       {_explain_missing_speed_ratio(comparison)}"
    if comparison.shared_texts:
        yield f"  texts       {comparison.equal_texts} of {counted(comparison.shared_texts, 'answer')} equal"
    worsened, improved = comparison.worsened_problems, comparison.improved_problems
    yield f"  changed     {counted(len(worsened), 'problem')} worse, {len(improved)} better"
    for word, problems in (("worse", worsened), ("better", improved)):
        if problems:
            listed = ", ".join(problem.task_id for problem in problems[:LISTED])
            yield f"    {word}: {listed}{' ...' if len(problems) > LISTED else ''}"


def _format_p_value(p_value: float) -> str:
    return "< 0.0001" if p_value < 1e-4 else f"= {p_value:.2g}"


def _explain_missing_speed_ratio(comparison: Comparison) -> str:
    """Returns why the speeds of two runs cannot be compared, such as "not measured in either run"."""
    unmeasured = [name for run, name in zip(comparison.runs, comparison.names, strict=True) if not run.speed]
    if len(unmeasured) == 2:
        return "not measured in either run"
    return f"not measured for {unmeasured[0]}" if unmeasured else "no measure that both runs have"


def _format_percentage_points(difference: float) -> str:
    return f"{100 * difference:+.1f}"


def _format_interval(interval: Interval) -> str:
    return f"[{_format_percentage_points(interval[0])}, {_format_percentage_points(interval[1])}]"
