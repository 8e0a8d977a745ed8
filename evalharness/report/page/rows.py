"""Writes a run's samples for the report page: a short table row for each, and the rest in files loaded on demand."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from evalharness.data.runs import Run
from evalharness.data.task_ids import natural_sort_key
from evalharness.records import STATUSES, Completion, Problem, Task, Verdict
from evalharness.report.page.chunks import ChunkWriter, Location, open_chunk_writer, write_data_script
from evalharness.report.problems import RunProblems
from evalharness.report.program_parts import extract_program_source, format_tests

UNGRADED = "ungraded"
PAGE_STATUSES = (*STATUSES, UNGRADED)
"""The statuses that table rows refer to by number; the last is that of a completion without a verdict."""
DETAIL_CHARACTERS = 90
"""Characters of a verdict's detail that a table row has, so that the page can search them without loading samples."""


class SampleRow(NamedTuple):
    """A row of the report page's table of samples; the order of the fields equals `app.ROW` in static/search.js."""

    problem: int
    """The index of its problem."""
    sample_id: int
    status: int
    """The index of its status in `PAGE_STATUSES`."""
    output_tokens: int | None
    total_s: float | None
    chunk: int
    chunk_index: int
    """Where the whole sample is: its chunk, and its index in the chunk."""
    detail: str
    has_trace: int
    """1 or 0."""


class ProblemRow(NamedTuple):
    """A row of the report page's table of problems: id, entry point, categories, and the location of the prompt."""

    task_id: str
    entry_point: str
    kinds: list[str]
    """The problem's category in each facet, such as "easy" in the facet "difficulty"; "" where it has none."""
    prompt: Location | None
    """Where its prompt is; None where the task's data are not available."""


def write_run_data(run: Run, folder: Path, slug: str, problems: RunProblems) -> None:
    """Writes a run's samples and problems as data files of the report page below `folder`/`slug`.

    `slug` is the run's name in the page's URLs and files. Completions are read one at a time, so that their texts and
    traces need not fit into memory. Raises UserError if a line of the run's files is damaged.
    """
    with open_chunk_writer(folder, f"{slug}/sample") as samples:
        rows = list(_write_samples_and_make_rows(run, problems, samples))
    facets = list(dict.fromkeys(facet for problem in problems.by_id.values() for facet in problem.facets))
    task_ids = _sort_problem_ids_in_task_order({task_id for task_id, _ in rows}, problems)
    with open_chunk_writer(folder, f"{slug}/prompt") as prompts:
        problem_rows = [_write_prompt_and_make_row(task_id, problems, facets, prompts) for task_id in task_ids]
    indices = {task_id: index for index, task_id in enumerate(task_ids)}
    sample_rows = [row._replace(problem=indices[task_id]) for task_id, row in rows]
    value = {
        "statuses": PAGE_STATUSES,
        "facets": facets,
        "problems": problem_rows,
        "samples": sorted(sample_rows, key=lambda row: (row.problem, row.sample_id)),
        "chunks": samples.written,
        "prompt_chunks": prompts.written,
        "traces": sum(row.has_trace for row in sample_rows),
    }
    write_data_script(folder, f"{slug}/rows", value)


def _sort_problem_ids_in_task_order(task_ids: Iterable[str], problems: RunProblems) -> list[str]:
    """Returns problem ids in the order of the task's problems; ids that the task lacks come last, sorted by name."""
    order = {task_id: index for index, task_id in enumerate(problems.by_id)}
    return sorted(task_ids, key=lambda task_id: (order.get(task_id, len(order)), natural_sort_key(task_id)))


def _write_samples_and_make_rows(
    run: Run, problems: RunProblems, sample_writer: ChunkWriter
) -> Iterator[tuple[str, SampleRow]]:
    """Writes each sample of a run with `sample_writer`, and yields (problem id, table row) for it.

    The row's `problem` is a placeholder for the problem's index, which is not known yet.
    """
    verdicts = {verdict.key: verdict for verdict in run.verdicts()}
    for completion in run.completions():
        verdict, source = verdicts.pop(completion.key, None), _extracted_program(completion, problems)
        yield completion.task_id, _write_sample_and_make_row(completion, verdict, source, sample_writer)
    for unanswered in verdicts.values():
        completion = Completion(*unanswered.key, text="", finish_reason="")
        yield unanswered.task_id, _write_sample_and_make_row(completion, unanswered, "", sample_writer)


def _extracted_program(completion: Completion, problems: RunProblems) -> str:
    """Returns the program that was extracted from a completion; "" if there is none, or it equals the completion."""
    problem = problems.by_id.get(completion.task_id)
    if problem is None or problems.task is None or completion.error:
        return ""
    source = extract_program_source(problems.task, problem, completion) or ""
    return "" if source == completion.text else source


def _write_sample_and_make_row(
    completion: Completion, verdict: Verdict | None, program: str, sample_writer: ChunkWriter
) -> SampleRow:
    chunk, index = sample_writer.add(_sample_as_json(completion, verdict, program))
    detail_lines = (verdict.detail if verdict else "").strip().splitlines() or [""]
    return SampleRow(
        problem=-1,
        sample_id=completion.sample_id,
        status=PAGE_STATUSES.index(verdict.status if verdict else UNGRADED),
        output_tokens=completion.output_tokens,
        total_s=completion.total_s,
        chunk=chunk,
        chunk_index=index,
        detail=detail_lines[-1][:DETAIL_CHARACTERS],
        has_trace=int(completion.trace is not None),
    )


def _sample_as_json(completion: Completion, verdict: Verdict | None, program: str) -> dict[str, Any]:
    """Returns a sample as a JSON object: the non-empty fields of completion and verdict, and the extracted program."""
    fields = asdict(completion) | (asdict(verdict) if verdict else {}) | {"program": program}
    return {key: value for key, value in fields.items() if value not in (None, "")}


def _write_prompt_and_make_row(
    task_id: str, problems: RunProblems, facets: list[str], prompt_writer: ChunkWriter
) -> ProblemRow:
    problem = problems.by_id.get(task_id)
    if problem is None:
        return ProblemRow(task_id, "", ["" for _ in facets], None)
    kinds = [problem.facets.get(facet, "") for facet in facets]
    return ProblemRow(task_id, problem.entry_point, kinds, prompt_writer.add(_prompt_as_json(problem, problems.task)))


def _prompt_as_json(problem: Problem, task: Task | None) -> Mapping[str, Any]:
    """Returns a problem's prompt and tests as a JSON object; without tests if `task` is None."""
    prompt = problem.prompt
    messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
    parts = {"text": prompt.text, "messages": messages, "prefill": prompt.prefill, "suffix": prompt.suffix}
    parts["tests"] = format_tests(task, problem) if task else ""
    return {key: value for key, value in parts.items() if value not in (None, "", [])}
