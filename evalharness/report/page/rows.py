"""A run's rows as the report page reads them: a short row per sample, and all else in chunks loaded on demand."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evalharness.data.task_ids import natural_key
from evalharness.records import STATUSES, Completion, Problem, Prompt, Verdict
from evalharness.report.page.chunks import Chunks, chunks, write_script
from evalharness.report.page.prompts import Problems
from evalharness.report.runs import RunRecord

UNGRADED = "ungraded"
PAGE_STATUSES = (*STATUSES, UNGRADED)
"""What the page calls the statuses in its rows, by number; the last is of a completion that has no verdict."""
DETAIL_CHARACTERS = 90
"""So much of a verdict's reason is in the list of samples, and can be searched without loading chunks."""


def write_run(run: RunRecord, folder: Path, name: str, problems: Problems) -> None:
    """Writes the rows of a run below `folder`/`name`.

    Completions are streamed, so that traces need not fit into memory. Raises UserError at a damaged line.
    """
    with chunks(folder, f"{name}/sample") as samples:
        rows = list(_rows(run, samples))
    facets = list(dict.fromkeys(facet for problem in problems.found.values() for facet in problem.facets))
    ids = _in_order({row[0] for row in rows}, problems)
    with chunks(folder, f"{name}/prompt") as prompts:
        told = [[task_id, *_problem(problems.found.get(task_id), facets, prompts)] for task_id in ids]
    numbers = {task_id: number for number, task_id in enumerate(ids)}
    value = {
        "statuses": PAGE_STATUSES,
        "facets": facets,
        "problems": told,
        "samples": sorted(([numbers[task_id], *rest] for task_id, *rest in rows), key=lambda row: row[:2]),
        "chunks": samples.closed,
        "prompt_chunks": prompts.closed,
        "traces": sum(row[-1] for row in rows),
    }
    write_script(folder, f"{name}/rows", value)


def _in_order(ids: Iterable[str], problems: Problems) -> list[str]:
    """The ids as the task has its problems, and by name those that it does not have."""
    order = {task_id: number for number, task_id in enumerate(problems.found)}
    return sorted(ids, key=lambda task_id: (order.get(task_id, len(order)), natural_key(task_id)))


def _rows(run: RunRecord, samples: Chunks) -> Iterator[list[Any]]:
    """A row for each completion, and for each verdict on a completion that never came."""
    verdicts = {row.key: row for row in run.verdicts()}
    for completion in run.completions():
        yield _row(completion, verdicts.pop(completion.key, None), samples)
    for verdict in verdicts.values():
        yield _row(Completion(*verdict.key, text="", finish_reason=""), verdict, samples)


def _row(completion: Completion, verdict: Verdict | None, samples: Chunks) -> list[Any]:
    """Task id, sample id, status number, output tokens, seconds, chunk, index in it, reason in short, has a trace."""
    place = samples.add(_sample(completion, verdict))
    lines = (verdict.detail if verdict else "").strip().splitlines() or [""]
    return [
        completion.task_id,
        completion.sample_id,
        PAGE_STATUSES.index(verdict.status if verdict else UNGRADED),
        completion.output_tokens,
        completion.total_s,
        *place,
        lines[-1][:DETAIL_CHARACTERS],
        int(completion.trace is not None),
    ]


def _sample(completion: Completion, verdict: Verdict | None) -> dict[str, Any]:
    """All that is known of a sample, with nothing that is not known."""
    said = {**vars(completion), "trace": completion.trace and vars(completion.trace)}
    both = {**said, **(asdict(verdict) if verdict else {})}
    return {key: value for key, value in both.items() if value not in (None, "")}


def _problem(problem: Problem | None, facets: list[str], prompts: Chunks) -> list[Any]:
    """Entry point, kinds by facet, and where the prompt lies, or null."""
    if problem is None:
        return ["", ["" for _ in facets], None]
    kinds = [problem.facets.get(facet, "") for facet in facets]
    return [problem.entry_point, kinds, prompts.add(_prompt(problem.prompt))]


def _prompt(prompt: Prompt) -> Mapping[str, Any]:
    turns = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
    parts = {"text": prompt.text, "turns": turns, "prefill": prompt.prefill, "suffix": prompt.suffix}
    return {key: value for key, value in parts.items() if value not in (None, "", [])}
