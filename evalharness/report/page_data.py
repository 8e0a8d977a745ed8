"""A run's rows as the report page reads them: a short row per sample, and all else in chunks loaded on demand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalharness.data import natural
from evalharness.records import STATUSES, Completion, Problem, Prompt, Verdict
from evalharness.report.page_chunks import Chunks, chunks, write_script
from evalharness.report.page_prompts import Problems
from evalharness.report.runs import RunRecord

UNGRADED = "ungraded"
PAGE_STATUSES = (*STATUSES, UNGRADED)
"""What the page calls the statuses in its rows, by number; the last is of a completion that has no verdict."""
DETAIL_CHARACTERS = 90
"""So much of a verdict's reason is in the list of samples, and can be searched without loading chunks."""


def write_run(run: RunRecord, folder: Path, name: str, problems: Problems) -> int:
    """Writes the rows of a run below `folder`/`name`, and returns how many samples there are.

    Completions are streamed, so that traces need not fit into memory. Raises UserError at a damaged line.
    """
    verdicts = {row.key: row for row in run.verdicts()}
    ids: dict[str, list[Any]] = {}
    rows: list[list[Any]] = []
    traces = 0
    with chunks(folder, f"{name}/sample") as samples:
        for completion in run.completions():
            verdict = verdicts.pop(completion.key, None)
            traces += completion.trace is not None
            rows.append(_row(completion, verdict, samples))
        for verdict in verdicts.values():
            rows.append(_row(Completion(*verdict.key, text="", finish_reason=""), verdict, samples))
    with chunks(folder, f"{name}/prompt") as prompts:
        order = {task_id: number for number, task_id in enumerate(problems.found)}
        wanted = sorted(
            {row[0] for row in rows}, key=lambda task_id: (order.get(task_id, len(order)), natural(task_id))
        )
        facets = list(dict.fromkeys(facet for problem in problems.found.values() for facet in problem.facets))
        for task_id in wanted:
            ids[task_id] = [task_id, *_problem(problems.found.get(task_id), facets, prompts)]
    numbers = {task_id: number for number, task_id in enumerate(wanted)}
    found = sorted(([numbers[task_id], *rest] for task_id, *rest in rows), key=lambda row: row[:2])
    write_script(
        folder,
        f"{name}/rows",
        {
            "statuses": PAGE_STATUSES,
            "facets": facets,
            "problems": list(ids.values()),
            "samples": found,
            "chunks": samples.closed,
            "prompt_chunks": prompts.closed,
            "traces": traces,
        },
    )
    return len(found)


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
    both = {**said, **(vars(verdict) if verdict else {})}
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
