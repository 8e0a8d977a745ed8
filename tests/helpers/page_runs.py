"""Writes run directories as `evalharness run` does, on the bundled sample's problems and with given verdicts."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from evalharness.adapters import open_task
from evalharness.data.sources import DataSource
from evalharness.metrics.passk import count_samples_by_problem, pass_rates, pass_rates_by_facet
from evalharness.metrics.throughput import compute_speed
from evalharness.pipeline.store import RunStore
from evalharness.records import STATUSES, Completion, DecodingTrace, Problem, Status, Verdict

Answer = Callable[[Problem, int], tuple[Completion, Verdict | None]]
"""Returns the completion and verdict of a problem and a sample's number."""

DETAILS: dict[Status, str] = {
    "failed": 'Traceback (most recent call last):\n  File "check.py", line 3\nAssertionError: expected [1, 2]',
    "timeout": "no answer within 3.0 s",
    "memory": "MemoryError",
    "error": "SyntaxError: invalid syntax",
}


def write_run(
    folder: Path, task: str, answer: Answer, *, n: int = 1, backend: str = "ar", model: str | None = None,
    data: DataSource = "sample",
) -> Path:  # fmt: skip
    """Writes a finished run of the task's problems and returns its directory."""
    opened, context = open_task(task, data, {})
    problems = {problem.task_id: problem for problem in opened.problems()}
    config = {
        "task": context.describe(),
        "backend": {"name": backend, "model": model, "generates": True},
        "sampling": {"temperature": 0.0, "seed": 0},
        "samples": {"n": n, "limit": None},
    }
    with closing(RunStore(folder, config, {"hardware": {"processor": "a processor"}})) as store:
        for problem in problems.values():
            for number in range(n):
                completion, verdict = answer(problem, number)
                store.add_completion(completion)
                if verdict:
                    store.add_verdict(verdict)
        verdicts = list(store.verdicts())
        statuses = Counter(row.status for row in verdicts)
        summary: dict[str, Any] = {
            "task": opened.name,
            "backend": backend,
            "model": model,
            "recipe": context.recipe_name,
            "version": context.version.name,
            "split": context.split,
            "options": dict(context.options),
            "note": "",
            "official_data": context.data.is_official,
            "problems": len({row.task_id for row in verdicts}),
            "problems_of_task": len(problems),
            "samples": len(verdicts),
            "asked": len(problems) * n,
            "metrics": pass_rates(count_samples_by_problem(verdicts)),
            "facets": pass_rates_by_facet(count_samples_by_problem(verdicts), problems),
            "speed": compute_speed(store.completions()),
            "statuses": {status: statuses[status] for status in STATUSES if statuses[status]},
        }
        store.write_summary(summary)
    return folder


def cycling(statuses: Sequence[Status], *, traced: bool = False, text: str | None = None) -> Answer:
    """Answers with the reference solution (or `text`) of each problem. The statuses repeat from problem to problem."""

    def answer(problem: Problem, number: int) -> tuple[Completion, Verdict]:
        solution = text if text is not None else (problem.reference or "").removeprefix(problem.prefix)
        trace = trace_of(solution) if traced else None
        position = int(re.findall(r"\d+", problem.task_id)[-1]) + number
        status = statuses[position % len(statuses)]
        token_count = len(re.findall(r"\w+|\s+|\W", solution))
        completion = Completion(
            problem.task_id, number, solution, output_tokens=token_count, characters=len(solution), prompt_tokens=80,
            started_at=1e9 + position, total_s=0.5 + position / 100, trace=trace,
            forwards=trace and max(trace.steps) + 1,
        )  # fmt: skip
        return completion, Verdict(
            problem.task_id, number, status == "passed", status, 0.01, 0.02, 27.5, DETAILS.get(status, "")
        )

    return answer


def trace_of(text: str, block: int = 8, per_pass: int = 3, tail: str = "\n<|end|>") -> DecodingTrace:
    """Returns a denoising trace of the text and its cut tail: one block at a time, in each the longest tokens first."""
    tokens = [*re.findall(r"\w+|\n\s*|[^\S\n]+|[^\w\s]", text), tail]
    blocks = [index // block for index in range(len(tokens))]
    steps, start = [0] * len(tokens), 0
    for number in range(blocks[-1] + 1):
        indices = [index for index, of_token in enumerate(blocks) if of_token == number]
        order = sorted(indices, key=lambda index: (-len(tokens[index]), index))
        for rank, index in enumerate(order):
            steps[index] = start + rank // per_pass
        start = max(steps[index] for index in indices) + 1
    return DecodingTrace(tuple(tokens), tuple(steps), tuple(blocks))
