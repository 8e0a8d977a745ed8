"""The usual verdict on an execution: passed if every part passed."""

from evalharness.records import Completion, Execution, Verdict


def verdict_of(completion: Completion, execution: Execution) -> Verdict:
    """Returns the usual verdict on a completion: passed if every part of its execution passed.

    Each part of an execution is judged separately: for EvalPlus, base inputs are one part and plus inputs another; most
    other executions have a single part. If parts failed, status and detail are those of the first failed part. CPU and
    wall-clock times are summed over the parts; `peak_mb` is the largest memory peak of any part.
    """
    if execution.infrastructure:
        return Verdict(*completion.key, passed=False, status="infrastructure", detail=execution.infrastructure)
    parts = execution.parts.values()
    first_failure = next((part for part in parts if part.status != "passed"), None)
    return Verdict(
        *completion.key,
        passed=first_failure is None,
        status=first_failure.status if first_failure else "passed",
        cpu_s=round(sum(part.cpu_s for part in parts), 4),
        wall_s=round(sum(part.wall_s for part in parts), 4),
        peak_mb=round(max((part.peak_mb for part in parts), default=0.0), 1),
        detail=first_failure.detail if first_failure else "",
        borderline=execution.borderline or None,
    )
