"""A comparison in words: first what is unfair about it, then the difference, the speeds and the flipped problems."""

from collections.abc import Iterator, Sequence
from textwrap import indent

from evalharness.metrics.intervals import Interval
from evalharness.metrics.paired_tests import holm_adjusted, is_noninferior
from evalharness.records import Completion, Prompt, Verdict
from evalharness.report.compare.comparison import Comparison, Flip, Sides, sides
from evalharness.report.page.prompts import Problems, problems_of

LISTED = 12


def report(comparisons: Sequence[Comparison], margin: float | None, show: int, data: str | None) -> Iterator[str]:
    """The lines. Several tasks have p-values corrected for their number (Holm); `margin` is in percentage points."""
    corrected = holm_adjusted([one.difference.p for one in comparisons])
    for one, p in zip(comparisons, corrected, strict=True):
        yield from _task(one, p if len(comparisons) > 1 else None, margin)
        if show and one.flips:
            yield from _flips(one, show, data)
        yield ""


def _task(one: Comparison, corrected: float | None, margin: float | None) -> Iterator[str]:
    yield f"{one.title}: {one.names[1]} against {one.names[0]}"
    yield from (f"  UNFAIR  {line}" for line in one.unfair)
    rest = "".join(f"; {count} only in {name}" for count, name in zip(one.alone, one.names, strict=True) if count)
    yield f"  problems    {one.shared} in both{rest}"
    yield f"  pass@1      {one.rates[0]:.1%} -> {one.rates[1]:.1%}"
    found = one.difference
    many = "" if corrected is None else f", {corrected:.2g} corrected for the number of tasks (Holm)"
    yield f"  difference  {_points(found.value)} points, 95 % {_ends(found.ci95)}"
    yield f"  test        {found.test}: p = {found.p:.2g}{many}"
    yield f"  could see   a true difference of {100 * found.detectable:.1f} points with 80 % power"
    if margin is not None:
        shown = "is" if is_noninferior(found, margin / 100) else "is not shown to be"
        yield f"  margin      {one.names[1]} {shown} within {margin:g} points of {one.names[0]}"
    for ratio in one.ratios:
        ends = f", 95 % [{ratio.ci95[0]:.2f}, {ratio.ci95[1]:.2f}]" if ratio.ci95 else ""
        times = f"{ratio.value:.2f} times the {ratio.measure}{ends}"
        yield f"  speed       {times} ({ratio.first:.1f} -> {ratio.second:.1f})"
    if not one.ratios:
        yield f"  speed       {_without_ratio(one)}"
    yield f"  flipped     {one.lost} got worse, {one.won} better"
    for word, flips in (("worse", one.flips[: one.lost]), ("better", one.flips[one.lost :])):
        if flips:
            named = ", ".join(flip.task_id for flip in flips[:LISTED])
            yield f"    {word}: {named}{' ...' if len(flips) > LISTED else ''}"


def _without_ratio(one: Comparison) -> str:
    """Why there is no ratio of speeds."""
    runs = zip((one.first, one.second), one.names, strict=True)
    lacking = [name for run, name in runs if not run.summary.get("speed")]
    if len(lacking) == 2:
        return "measured in neither"
    return f"not measured for {lacking[0]}" if lacking else "no measure that both have"


def _flips(one: Comparison, show: int, data: str | None) -> Iterator[str]:
    chosen = _alternating(one, show)
    held = sides(one, [flip.task_id for flip in chosen])
    problems = problems_of(one.first, data)
    if problems.missing:
        yield f"  (without prompts: {problems.missing})"
    for flip in chosen:
        yield from _flip(one, flip, held[flip.task_id], problems)


def _alternating(one: Comparison, show: int) -> list[Flip]:
    """As many of those that got worse as of those that got better, while there are."""
    worse, better = list(one.flips[: one.lost]), list(one.flips[one.lost :])[::-1]
    half = max(show - len(better), min(len(worse), (show + 1) // 2))
    return [*worse[:half], *better[: show - min(half, len(worse))]]


def _flip(one: Comparison, flip: Flip, found: Sides, problems: Problems) -> Iterator[str]:
    yield ""
    yield f"  --- {flip.task_id}: {flip.first:.0%} -> {flip.second:.0%} of its samples pass"
    if problem := problems.found.get(flip.task_id):
        yield "  prompt:"
        yield indent(prompt_text(problem.prompt), "    | ")
    shares = (flip.first, flip.second)
    for name, share, completions, verdicts in zip(one.names, shares, found.completions, found.verdicts, strict=True):
        by_key = {verdict.key: verdict for verdict in verdicts}
        completion = _telling(completions, by_key, share == max(shares))
        if completion is None:
            yield f"  {name}: no completion is kept"
            continue
        yield f"  {name}, sample {completion.sample_id}: {_verdict(by_key.get(completion.key))}"
        yield indent(completion.text.rstrip("\n") or "(empty)", "    | ", lambda line: True)


def _telling(
    completions: Sequence[Completion], verdicts: dict[tuple[str, int], Verdict], better: bool
) -> Completion | None:
    """The first sample that shows the change: one that passed on the better side, one that did not on the worse."""
    if not completions:
        return None
    wanted = [c for c in completions if c.key in verdicts and verdicts[c.key].passed == better]
    return (wanted or list(completions))[0]


def _verdict(verdict: Verdict | None) -> str:
    if verdict is None:
        return "no verdict"
    lines = verdict.detail.strip().splitlines()
    return verdict.status + (f": {lines[-1]}" if lines else "") + f" ({verdict.cpu_s:.2f} s)"


def prompt_text(prompt: Prompt) -> str:
    """What the model was given, as text."""
    turns = [f"[{message.role}]\n{message.content}" for message in prompt.messages]
    text = "\n".join([*turns, *([prompt.text] if prompt.text is not None else [])]) + prompt.prefill
    return text + (f"<gap>{prompt.suffix}" if prompt.suffix is not None else "")


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _ends(ends: Interval) -> str:
    return f"[{_points(ends[0])}, {_points(ends[1])}]"
