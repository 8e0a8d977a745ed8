"""Groups problems by the reason why the backend or the machine failed on them, for tables and messages."""

from collections.abc import Iterable

from evalharness.data.run_types import FailureReason
from evalharness.util.text import counted, shortened

MOST_REASONS = 5
"""Most reasons that are kept, the most frequent first."""
MOST_PROBLEMS = 10
"""Most problem ids that are kept for each reason, in the order in which they failed."""
SHOWN_CHARACTERS = 200
"""Maximum length of a reason, in characters."""


def group_reasons(failures: Iterable[tuple[str, str]]) -> list[FailureReason]:
    """Groups failures, given as (problem, reason), by reason; the most frequent reason comes first."""
    groups: dict[str, FailureReason] = {}
    for task_id, text in failures:
        reason = shortened(text, SHOWN_CHARACTERS)
        group = groups.setdefault(reason, {"reason": reason, "samples": 0, "problems": []})
        group["samples"] += 1
        if task_id not in group["problems"] and len(group["problems"]) < MOST_PROBLEMS:
            group["problems"].append(task_id)
    return sorted(groups.values(), key=lambda group: -group["samples"])[:MOST_REASONS]


def reason_text(reason: FailureReason) -> str:
    """Returns a failure reason with its problems as text, such as "HumanEval/3, HumanEval/8: HTTP 500: no"."""
    problems = ", ".join(reason["problems"])
    is_whole = len(reason["problems"]) < MOST_PROBLEMS or reason["samples"] == len(reason["problems"])
    total = "" if is_whole else f", ... ({counted(reason['samples'], 'sample')})"
    return f"{problems}{total}: {reason['reason']}"
