"""Remarks in reports about a run's answers that were cut, empty, refused, missing, or only reasoning."""

from collections.abc import Mapping

from evalharness.data.run_types import AnswerCounts, AnswerKind, FailureReason, Summary
from evalharness.metrics.answer_counts import KINDS
from evalharness.metrics.reasons import format_failure_reason

WARNING_RATE = 0.02
"""The fraction of answers of one kind above which a run ends with a warning."""
WORDS: Mapping[AnswerKind, str] = {
    "at_limit": "reached the token limit",
    "reasoning_only": "reasoning alone",
    "empty": "empty",
    "refused": "refused",
    "unanswered": "missing because the backend failed",
}
SHORT: Mapping[AnswerKind, str] = {**WORDS, "at_limit": "at token limit", "unanswered": "unanswered"}
REMEDIES: Mapping[AnswerKind, str] = {
    "at_limit": "repeat the run with a higher --max-new-tokens",
    "reasoning_only": "repeat the run with a higher --max-new-tokens",
    "empty": "check the recipe and its stop sequences",
    "refused": "add --ask-again to send these prompts again",
    "unanswered": "add --ask-again to send these prompts again",
}


def abnormal_answer_remarks(summary: Summary, min_fraction: float = 0.0) -> list[str]:
    """Returns remarks about a run's truncated, empty or refused answers, such as "1 of 9 answers was empty (11.1%)".

    There is one remark for each kind of abnormal answers, such as "empty", that is more than the fraction
    `min_fraction` of the run's answers.
    """
    answers = summary.get("answers")
    if not answers:
        return []
    return [_abnormal_answer_remark(answers, kind) for kind in KINDS if answers["rates"].get(kind, 0.0) > min_fraction]


def short_abnormal_answer_remarks(summary: Summary) -> list[str]:
    """Returns short remarks about a run's abnormal answers, for a table cell, such as "3 empty" or "2 unanswered"."""
    answers = summary.get("answers")
    counts = answers["counts"] if answers else {}
    return [f"{count} {SHORT[kind]}" for kind in KINDS if (count := counts.get(kind))]


def token_limit_text(summary: Summary) -> str:
    """Returns the limit of tokens per answer in a run as text: "at most 768 new tokens"; "" if there was none."""
    answers = summary.get("answers")
    return f"at most {answers['token_limit']} new tokens" if answers and "token_limit" in answers else ""


def missing_answer_or_verdict_remarks(summary: Summary) -> list[str]:
    """Returns a remark for each reason why samples of a run have no answer or no verdict, with the problems' ids.

    An example is "refused: HumanEval/3: HTTP 400".
    """
    answers = summary.get("answers")
    reasons: dict[str, list[FailureReason]] = {}
    if answers:
        reasons = {SHORT[kind]: group for kind, group in answers.get("reasons", {}).items()}
    reasons["without a verdict"] = summary.get("without_verdict", [])
    return [f"{name}: {format_failure_reason(reason)}" for name, group in reasons.items() for reason in group]


def abnormal_answer_warning(summary: Summary) -> str:
    """Returns a warning if many answers of a run were truncated, empty or refused; else "".

    "Many" is more than the fraction `WARNING_RATE` of the answers. The warning says what to do.
    """
    remarks = abnormal_answer_remarks(summary, WARNING_RATE)
    if not remarks:
        return ""
    answers = summary["answers"]
    kinds = [kind for kind in KINDS if answers["rates"].get(kind, 0.0) > WARNING_RATE]
    remedies = "; ".join(dict.fromkeys(REMEDIES[kind] for kind in kinds))
    return f"warning: {summary['task']}: {', '.join(remarks)}; {remedies}"


def _abnormal_answer_remark(answers: AnswerCounts, kind: AnswerKind) -> str:
    """Returns the remark about one kind of abnormal answers, such as "1 of 9 answers was empty (11.1%)"."""
    count, total = answers["counts"][kind], answers["answers"]
    verb = "" if kind == "at_limit" else "was " if count == 1 else "were "
    limit = f" of {answers['token_limit']}" if kind == "at_limit" and "token_limit" in answers else ""
    noun = "answer" if total == 1 else "answers"
    return f"{count} of {total} {noun} {verb}{WORDS[kind]}{limit} ({count / total:.1%})"
