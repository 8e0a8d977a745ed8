"""Computes the summary of a run (pass rates, speed, counts) from its completions and verdicts."""

from collections import Counter
from pathlib import Path
from typing import cast

from evalharness.adapters.extraction.reasoning import without_reasoning
from evalharness.backends.reference import ReferenceBackend
from evalharness.backends.replay import ReplayBackend
from evalharness.data.run_files import COMPLETIONS, read_completions, read_manifest, read_verdicts
from evalharness.data.run_types import AnswerCounts, Summary, SummaryResults
from evalharness.metrics.answer_counts import count_answer_kinds
from evalharness.metrics.passk import DEFAULT_KS, count_samples_by_problem, pass_rates, pass_rates_by_facet
from evalharness.metrics.reasons import group_failures_by_reason
from evalharness.metrics.throughput import compute_speed
from evalharness.metrics.tokenizing import CommonTokenizer
from evalharness.pipeline.resuming.stretches import measurement_conditions_of_run
from evalharness.pipeline.validate import PreparedTask
from evalharness.records import STATUSES, Backend, Completion, Status
from evalharness.util.jsonl import read_complete_lines
from evalharness.util.sample_key_set import SampleKeySet


def summarize_run(prepared: PreparedTask, backend: Backend, folder: Path, sample_count: int) -> Summary:
    """Returns the content of summary.json for the run directory `folder`, which should have `sample_count` samples."""
    config, context = prepared.config, prepared.context
    middle = middle_length_method_name(prepared, backend)
    results = compute_summary_results(prepared, folder, sample_count)
    summary = {
        "task": prepared.task.name,
        "backend": backend.name,
        "model": config.model,
        "recipe": context.recipe_name,
        "version": context.version.name,
        "split": context.split,
        "options": dict(context.options),
        "note": "" if context.is_sample else context.version.note,
        "official_data": context.data.is_official,
        **results,
    }
    if middle:
        summary["middle"] = middle
    if config.shard:
        summary["shard"] = config.shard
    return cast(Summary, summary)


def middle_length_method_name(prepared: PreparedTask, backend: Backend) -> str | None:
    """Returns the name of the method that determines how long an infilled middle is; None without infilling.

    It is the value of `middle` in the task's recipe, such as "free" (the model ends the middle), or "unknown" for a
    samples file whose recipe the user does not name.
    """
    middle = prepared.context.recipe.middle
    is_known = not isinstance(backend, ReplayBackend) or "recipe" in prepared.config.options
    return (middle if is_known else "unknown") if middle else None


def compute_summary_results(prepared: PreparedTask, folder: Path, sample_count: int) -> SummaryResults:
    """Returns the part of summary.json computed from completions and verdicts: pass rates, speed, counts."""
    ks = prepared.config.ks or DEFAULT_KS
    manifest = read_manifest(folder)
    tallies = count_samples_by_problem(read_verdicts(folder))
    statuses = sum((counts.statuses for counts in tallies.values()), Counter[Status]())
    conditions = measurement_conditions_of_run(manifest, sum(1 for _ in read_complete_lines(folder / COMPLETIONS)))
    tokenizer = prepared.tokenizer
    answers = count_answer_kinds_of_run(prepared, folder, manifest["config"]["backend"]["name"], tokenizer)
    results: SummaryResults = {
        "problems": len(tallies),
        "problems_of_task": prepared.problems_of_task,
        "samples": statuses.total(),
        "asked": sample_count,
        "metrics": pass_rates(tallies, ks),
        "speed": compute_speed(read_completions(folder), tokenizer, conditions),
        "statuses": {status: statuses[status] for status in STATUSES if statuses[status]},
    }
    extraction = sum((counts.extraction for counts in tallies.values()), Counter[str]())
    if extraction:
        results["extraction"] = dict(extraction.most_common())
    if answers:
        results["answers"] = answers
    if facets := pass_rates_by_facet(tallies, prepared.problems, ks):
        results["facets"] = facets
    if statuses["infrastructure"]:
        failed = [(row.key, row.detail) for row in read_verdicts(folder) if row.status == "infrastructure"]
        results["without_verdict"] = group_failures_by_reason((key[0], detail) for key, detail in failed)
        completed = SampleKeySet(row.key for row in read_completions(folder))
        if unanswered := sum(key not in completed for key, _ in failed):
            results["without_completion"] = unanswered
    return results


def count_answer_kinds_of_run(
    prepared: PreparedTask, folder: Path, backend_name: str, tokenizer: CommonTokenizer | None
) -> AnswerCounts | None:
    """Returns how many answers of a run are truncated, empty, refused or consist of reasoning only.

    Returns None for the backend `reference`, whose answers are the official solutions.
    """
    if backend_name == ReferenceBackend.name:
        return None
    token_limit = None if backend_name == ReplayBackend.name else prepared.sampling.max_new_tokens
    is_chat = prepared.context.recipe.kind == "chat"

    def text_without_reasoning(completion: Completion) -> str:
        return without_reasoning(completion.text) if is_chat and completion.form == "answer" else completion.text

    return count_answer_kinds(read_completions(folder), token_limit, tokenizer, text_without_reasoning)
