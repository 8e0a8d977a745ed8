"""Prints one sample of a run as text: prompt, answer, program, tests, verdict and output."""

from collections.abc import Iterator
from difflib import get_close_matches

from evalharness.data.runs import Run, Sample
from evalharness.errors import UserError
from evalharness.report.problems import RunProblems, load_problems
from evalharness.report.program_parts import extract_program_source, format_tests
from evalharness.report.prompt_text import list_named_prompt_parts


def sample_lines(run: Run, task_id: str, sample_id: int, data_source: str | None) -> Iterator[str]:
    """Yields text lines that show one sample: prompt, answer, program, tests and verdict, each with a heading.

    `data_source` is where to read the problem: a folder, "hub", "sample", or None for the default (see
    `load_problems`). Raises UserError if the run has no such sample.
    """
    sample = find_sample(run, task_id, sample_id)
    problems = load_problems(run, data_source)
    yield from _prompt_lines(problems, sample)
    completion = sample.completion
    if completion is not None:
        if completion.reasoning:
            yield from _lines_with_heading("reasoning (not graded)", completion.reasoning)
        reason = "" if completion.finish_reason == "unknown" else f", finish reason {completion.finish_reason}"
        yield from _lines_with_heading(completion.form + reason, completion.text or "(empty)")
    problem = problems.by_id.get(task_id)
    if problem and completion and problems.task:
        source = extract_program_source(problems.task, problem, completion)
        extraction = f", {sample.verdict.extraction}" if sample.verdict and sample.verdict.extraction else ""
        if source is not None:
            yield from _lines_with_heading(f"program{extraction}", source)
        if tests := format_tests(problems.task, problem):
            yield from _lines_with_heading("tests", tests)
    yield from _verdict_lines(sample)


def find_sample(run: Run, task_id: str, sample_id: int) -> Sample:
    """Returns the sample of a run with these ids. Raises UserError, which names similar ids, if there is none."""
    samples = {sample.sample_id: sample for sample in run.samples() if sample.task_id == task_id}
    if not samples:
        task_ids = list(dict.fromkeys(sample.task_id for sample in run.samples()))
        similar_ids = get_close_matches(task_id, task_ids, n=3, cutoff=0.5)
        hint = (
            f"did you mean {' or '.join(similar_ids)}?"
            if similar_ids
            else f"give an id such as {', '.join(task_ids[:3]) or 'none'}"
        )
        raise UserError(f"{run.folder} has no problem {task_id!r}; {hint}")
    if sample_id not in samples:
        raise UserError(f"{task_id} has no sample {sample_id}; its samples are {', '.join(map(str, sorted(samples)))}")
    return samples[sample_id]


def _prompt_lines(problems: RunProblems, sample: Sample) -> Iterator[str]:
    problem = problems.by_id.get(sample.task_id)
    if problem is None:
        yield from _lines_with_heading("prompt", problems.missing or "The task's data do not have this problem.")
        return
    for name, text in list_named_prompt_parts(problem.prompt):
        yield from _lines_with_heading(f"prompt, {name}", text)


def _verdict_lines(sample: Sample) -> Iterator[str]:
    verdict = sample.verdict
    if verdict is None:
        yield from _lines_with_heading("verdict", "none: the sample is not graded")
        return
    base = "" if verdict.base_passed is None else f", base tests {'passed' if verdict.base_passed else 'not passed'}"
    yield from _lines_with_heading(
        "verdict",
        f"{verdict.status}{base} ({verdict.cpu_s:.2f} s CPU, {verdict.wall_s:.2f} s, {verdict.peak_mb:.0f} MB)",
    )
    if verdict.detail:
        yield from _lines_with_heading("output", verdict.detail)


def _lines_with_heading(heading: str, text: str) -> Iterator[str]:
    yield f"=== {heading} ==="
    yield text.rstrip("\n")
    yield ""
