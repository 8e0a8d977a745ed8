"""Groups problems by the reason why the backend or the machine failed on them, for tables and messages."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from evalharness.data.run_types import FailureReason
from evalharness.data.task_ids import natural_sort_key
from evalharness.util.text import counted, shortened

MOST_REASONS = 5
"""Most reasons that are kept, the most frequent first."""
MOST_PROBLEMS = 10
"""Most problem ids that are kept for each reason, the first ones in the order of their numbers."""
SHOWN_CHARACTERS = 200
"""Maximum length of a reason, in characters."""


def group_failures_by_reason(task_ids_and_reasons: Iterable[tuple[str, str]]) -> list[FailureReason]:
    """Returns the failures grouped by reason, the most frequent reason first; each failure is (task id, reason)."""
    counts: Counter[str] = Counter()
    problems: defaultdict[str, set[str]] = defaultdict(set)
    for task_id, text in task_ids_and_reasons:
        reason = shortened(text, SHOWN_CHARACTERS)
        counts[reason] += 1
        problems[reason].add(task_id)
    return [
        {
            "reason": reason,
            "samples": count,
            "problems": sorted(problems[reason], key=natural_sort_key)[:MOST_PROBLEMS],
        }
        for reason, count in counts.most_common(MOST_REASONS)
    ]


def format_failure_reason(reason: FailureReason) -> str:
    """Returns a failure reason with its problems as text, such as "HumanEval/3, HumanEval/8: HTTP 500: overloaded"."""
    problems = ", ".join(reason["problems"])
    is_whole = len(reason["problems"]) < MOST_PROBLEMS or reason["samples"] == len(reason["problems"])
    total = "" if is_whole else f", ... ({counted(reason['samples'], 'sample')})"
    return f"{problems}{total}: {reason['reason']}"
