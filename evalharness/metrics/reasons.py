"""Groups problems by the reason why a backend or the machine failed for them, for tables and messages."""

from collections.abc import Iterable

from evalharness.data.run_types import Reason
from evalharness.util.text import counted, shortened

MOST_REASONS = 5
"""Reasons that are kept, the most frequent first."""
MOST_PROBLEMS = 10
"""Problems that are kept for each reason, in the order in which they failed."""
SHOWN_CHARACTERS = 200
"""Characters of a reason that are kept."""


def group_reasons(failures: Iterable[tuple[str, str]]) -> list[Reason]:
    """Returns the reasons of failures, each given as the problem's id and what was said, the most frequent first."""
    groups: dict[str, Reason] = {}
    for task_id, text in failures:
        reason = shortened(text, SHOWN_CHARACTERS)
        group = groups.setdefault(reason, {"reason": reason, "samples": 0, "problems": []})
        group["samples"] += 1
        if task_id not in group["problems"] and len(group["problems"]) < MOST_PROBLEMS:
            group["problems"].append(task_id)
    return sorted(groups.values(), key=lambda group: -group["samples"])[:MOST_REASONS]


def reason_text(reason: Reason) -> str:
    """Returns a reason as text: the problems, then what was said, such as "HumanEval/3, HumanEval/8: HTTP 500: no"."""
    problems = ", ".join(reason["problems"])
    is_whole = len(reason["problems"]) < MOST_PROBLEMS or reason["samples"] == len(reason["problems"])
    total = "" if is_whole else f", ... ({counted(reason['samples'], 'sample')})"
    return f"{problems}{total}: {reason['reason']}"
