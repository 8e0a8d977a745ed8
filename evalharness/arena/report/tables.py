"""The content of the arena's report as headings, sentences and tables; the same for terminal and HTML page."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scipy import special

from evalharness.arena.measurements import ModelMeasurements
from evalharness.arena.rows import MODEL_VOTER
from evalharness.arena.statistics.summary import Estimate, ModelComparison, ModelStrength, VoteSummary
from evalharness.metrics.intervals import Interval
from evalharness.util.text import counted

SCALE, START = 400 / math.log(10), 1000.0
"""The rating is 1000 + 400 log10(odds), the scale of Elo ratings and of Copilot Arena's table."""
ABSENT = "–"
MANY_VOTES = 1_000_000


@dataclass(frozen=True)
class Table:
    """A table of the arena's report; each cell is text. The first column contains names, the others numbers."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Section:
    """The report's text and tables for one group of votes: those of people, or of one judge model."""

    title: str
    sentences: tuple[str, ...]
    tables: tuple[Table, ...]


def make_section(summary: VoteSummary, measurements: Mapping[str, ModelMeasurements]) -> Section:
    """Returns the section of the arena's report about the votes of people, or of one judge model."""
    title = f"Model as judge: {summary.judge.removeprefix(MODEL_VOTER)}" if summary.judge else "Votes of people"
    sentences = [
        _vote_count_sentence(summary),
        _estimation_method_sentences(summary),
        _position_effect_sentences(summary),
        *_latency_effect_sentences(summary),
        *_verdict_agreement_sentences(summary),
        *_voter_agreement_sentences(summary),
    ]
    return Section(
        title,
        tuple(sentences),
        (_strength_table(summary, measurements), _pairwise_wins_table(summary), _strength_differences_table(summary)),
    )


def mean_pass_at_1(measurements: ModelMeasurements | None) -> float | None:
    """Returns the mean of a model's pass@1 over its tasks, as a fraction; None if no task has a pass@1."""
    rates = (
        [task["pass_at_1"][0] for task in measurements["tasks"].values() if "pass_at_1" in task] if measurements else []
    )
    return sum(rates) / len(rates) if rates else None


def mean_speed(measurements: ModelMeasurements | None) -> float | None:
    """Returns the mean of a model's speed over its tasks, in tokens/s; None if no task has a speed."""
    speeds = (
        [task["tokens_per_s"] for task in measurements["tasks"].values() if "tokens_per_s" in task]
        if measurements
        else []
    )
    return sum(speeds) / len(speeds) if speeds else None


def expected_win_share(strength: float) -> float:
    """Returns the share (0 to 1) of untied votes that a model is expected to win against a model of strength 0.

    `strength` is in log odds.
    """
    return float(special.expit(strength))


def _vote_count_sentence(summary: VoteSummary) -> str:
    whose = f"of {counted(summary.voters, 'voter')} " if summary.voters and not summary.judge else ""
    skipped = f", and {counted(summary.skipped, 'skipped pair')}" if summary.skipped else ""
    time = f"; the median vote took {summary.median_ms / 1000:.1f} s" if summary.median_ms is not None else ""
    mark = "These votes were cast by a model. " if summary.judge else ""
    return f"{mark}{counted(summary.votes, 'vote')} {whose}on {counted(len(summary.models), 'model')}{skipped}{time}."


def _estimation_method_sentences(summary: VoteSummary) -> str:
    clusters = {
        "voter": f"by a jackknife over {counted(summary.clusters, 'voter')}",
        "problem": f"by a jackknife over {counted(summary.clusters, 'problem')}",
        "vote": "which treat votes as independent, because the voters are unknown, fewer than 5, or a few cast most "
        "votes; the intervals hold only for these voters",
    }[summary.dependence]
    return (
        "Strengths are log odds of Davidson's model (Bradley-Terry with ties) with a position term; zero is the mean "
        f"of the models. 95 % intervals, {clusters}."
    )


def _position_effect_sentences(summary: VoteSummary) -> str:
    first, decided = summary.first_share
    low, high = summary.position[1]
    says = (
        "not significantly different from zero"
        if low <= 0 <= high
        else "significantly different from zero: the position matters"
    )
    return (
        f"Position: the first answer won {first} of {decided} decided votes; its advantage (log odds) is "
        f"{format_estimate(summary.position)}, {says}. The strengths are adjusted for it."
    )


def _latency_effect_sentences(summary: VoteSummary) -> list[str]:
    if summary.latency is None:
        return []
    return [
        f"Latency: with {counted(summary.recorded_votes, 'vote')} at recorded speed, an answer that took half as long "
        f"as the other had an advantage (log odds) of {format_estimate(summary.latency)}. The strengths are adjusted "
        "for it."
    ]


def _verdict_agreement_sentences(summary: VoteSummary) -> list[str]:
    agreement = summary.verdicts
    sentences = []
    if agreement.failing_preferred_share_interval:
        low, high = agreement.failing_preferred_share_interval
        sentences.append(
            f"Verdicts: where exactly one of the two answers passed its tests, voters preferred the failing one in "
            f"{agreement.failing_preferred} of {agreement.votes} votes "
            f"({agreement.failing_preferred / agreement.votes:.1%} [{low:.1%}, {high:.1%}])."
        )
    if summary.rate_correlation is not None:
        sentences.append(
            f"pass@1: Kendall's rank correlation between strengths and pass@1 is {summary.rate_correlation:.2f}."
        )
    return sentences


def _voter_agreement_sentences(summary: VoteSummary) -> list[str]:
    agreement = summary.voter_agreement
    if not agreement.pairs:
        return []
    whose = "Consistency of the judge between both orders of a pair" if summary.judge else "Agreement between voters"
    alpha = "not defined, because all votes are equal" if agreement.alpha is None else f"{agreement.alpha:.2f}"
    return [
        f"{whose}: Krippendorff's alpha is {alpha} ({counted(agreement.pairs, 'pair')} with several votes; 1 is "
        "perfect agreement, 0 is chance)."
    ]


def _strength_table(summary: VoteSummary, measurements: Mapping[str, ModelMeasurements]) -> Table:
    headings = ("model", "rating", "strength", "95 % interval", "votes", "won", "lost", "tie", "both bad", "pass@1",
                "tokens/s")  # fmt: skip
    rows = tuple(_strength_table_row(row, measurements.get(row.model)) for row in summary.models)
    unbounded = [row.model for row in summary.models if not math.isfinite(row.strength[1][0])]
    note = (
        f"No interval for {', '.join(unbounded)}: the votes do not bound the strength, because the model won or lost "
        "every vote, or because no votes connect it to the other models."
        if unbounded
        else ""
    )
    return Table("Strengths", headings, rows, note)


def _strength_table_row(model_strength: ModelStrength, measurements: ModelMeasurements | None) -> tuple[str, ...]:
    rate, speed = mean_pass_at_1(measurements), mean_speed(measurements)
    strength, interval = model_strength.strength
    return (
        model_strength.model,
        f"{START + SCALE * strength:.0f}",
        f"{strength:.2f}",
        format_interval(interval),
        str(model_strength.votes),
        *map(str, (model_strength.wins, model_strength.losses, model_strength.ties, model_strength.both_bad)),
        ABSENT if rate is None else f"{rate:.1%}",
        ABSENT if speed is None else f"{speed:.1f}",
    )


def _pairwise_wins_table(summary: VoteSummary) -> Table:
    models = [row.model for row in summary.models]
    wins = {(pair.first, pair.second): (pair.wins, pair.votes) for pair in summary.pairs}
    wins |= {(pair.second, pair.first): (pair.votes - pair.wins, pair.votes) for pair in summary.pairs}
    rows = tuple(
        (row, *(_format_wins(wins.get((row, column))) if row != column else ABSENT for column in models))
        for row in models
    )
    return Table(
        "Votes won against each model",
        ("model", *models),
        rows,
        "A tie and “both bad” count as half a win for each model.",
    )


def _format_wins(wins_and_votes: tuple[float, int] | None) -> str:
    return f"{wins_and_votes[0]:g} of {wins_and_votes[1]}" if wins_and_votes and wins_and_votes[1] else ABSENT


def _strength_differences_table(summary: VoteSummary) -> Table:
    headings = ("models", "difference", "95 % interval", "votes", "further votes needed")
    rows = tuple(
        (f"{pair.first} – {pair.second}", f"{pair.difference[0]:.2f}", format_interval(pair.difference[1]),
         str(pair.votes), _format_further_votes_needed(pair))
        for pair in summary.pairs
    )  # fmt: skip
    return Table(
        "Differences", headings, rows,
        "Further votes: the number after which a difference of this size is detected with 80 % power, if models and "
        "voters are drawn as before.",
    )  # fmt: skip


def _format_further_votes_needed(comparison: ModelComparison) -> str:
    if comparison.more_votes is None:
        return ABSENT
    if comparison.more_votes == 0:
        return "none: they differ"
    return f"over {MANY_VOTES:,}" if comparison.more_votes > MANY_VOTES else f"{comparison.more_votes:,}"


def format_estimate(estimate: Estimate) -> str:
    """Returns a value with its confidence interval as text; "not bounded by the votes" if the interval is infinite."""
    return (
        f"{estimate[0]:.2f} {format_interval(estimate[1])}"
        if math.isfinite(estimate[1][0])
        else "not bounded by the votes"
    )


def format_interval(interval: Interval) -> str:
    """Returns a confidence interval as text, or "not bounded" if it is infinite."""
    return f"[{interval[0]:.2f}, {interval[1]:.2f}]" if math.isfinite(interval[0]) else "not bounded"
