"""What the Python tasks share in judging: the parts of an execution become one verdict."""

from evalharness.records import Completion, Execution, Verdict


def verdict_of(completion: Completion, execution: Execution) -> Verdict:
    """Passed if every part passed; else the status of the first part that did not."""
    if execution.infrastructure:
        return Verdict(
            completion.task_id,
            completion.sample_id,
            passed=False,
            status="infrastructure",
            detail=execution.infrastructure,
        )
    parts = execution.parts.values()
    worst = next((part for part in parts if part.status != "passed"), None)
    return Verdict(
        completion.task_id,
        completion.sample_id,
        passed=worst is None,
        status=worst.status if worst else "passed",
        cpu_s=round(sum(part.cpu_s for part in parts), 4),
        wall_s=round(sum(part.wall_s for part in parts), 4),
        peak_mb=round(max((part.peak_mb for part in parts), default=0.0), 1),
        detail=worst.detail if worst else "",
        borderline=execution.borderline or None,
    )
