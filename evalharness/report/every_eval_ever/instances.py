"""Makes Every Eval Ever records of a run's samples: prompt, answer, program, verdict, tokens and times."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from evalharness.data.runs import Run, Sample
from evalharness.records import Completion, Problem, Task, Verdict
from evalharness.report.every_eval_ever.schema import (
    SCHEMA_VERSION,
    AnswerAttribution,
    InstanceRecord,
    Performance,
    TokenUsage,
)
from evalharness.report.problems import RunProblems
from evalharness.report.program_parts import extract_program_source
from evalharness.report.prompt_text import list_named_prompt_parts
from evalharness.report.task_variant import task_name_of

RESULTS = ("pass@1", "base_pass@1")
"""The rates of a run that are means over samples, which have a record for each sample."""


def instance_records(run: Run, problems: RunProblems, evaluation_id: str, model_id: str) -> Iterator[InstanceRecord]:
    """Yields Every Eval Ever records: one for each graded sample of a run and each metric that is a mean over samples.

    `evaluation_id` is the id of the run's own record, to which these records refer.
    """
    results = [name for name in RESULTS if name in run.summary.get("metrics", {})]
    for sample in run.samples():
        completion, verdict, problem = sample.completion, sample.verdict, problems.by_id.get(sample.task_id)
        if not (completion and verdict and problem and problems.task) or verdict.status == "infrastructure":
            continue
        record = _make_metric_independent_record(sample, completion, verdict, problem, problems.task)
        for result in results:
            passed = verdict.base_passed if result.startswith("base") else verdict.passed
            if passed is not None:
                yield {
                    **record,
                    "evaluation_id": evaluation_id,
                    "model_id": model_id,
                    "evaluation_name": task_name_of(run.summary),
                    "evaluation_result_id": result,
                    "evaluation": {"score": float(passed), "is_correct": passed},
                }


def _make_metric_independent_record(
    sample: Sample, completion: Completion, verdict: Verdict, problem: Problem, task: Task
) -> InstanceRecord:
    """Returns a sample's Every Eval Ever record with placeholders in the fields that depend on the metric."""
    parts = list_named_prompt_parts(problem.prompt)
    raw = parts[0][1] if len(parts) == 1 else "\n\n".join(f"[{name}]\n{text}" for name, text in parts)
    reference = [] if problem.reference is None else [problem.reference]
    record: InstanceRecord = {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": "",
        "model_id": "",
        "evaluation_name": "",
        "evaluation_result_id": "",
        "sample_id": sample.task_id,
        "sample_hash": _sha256_of_json({"raw": raw, "reference": reference}),
        "interaction_type": "single_turn",
        "input": {"raw": raw, "reference": reference},
        "output": {"raw": [completion.text]},
        "answer_attribution": [_describe_program_extraction(task, problem, completion, verdict)],
        "evaluation": {"score": 0.0, "is_correct": False},
        "metadata": {
            "sample": str(sample.sample_id),
            "status": verdict.status,
            "finish_reason": completion.finish_reason,
            "form": completion.form,
        },
    }
    if completion.reasoning:
        record["output"]["reasoning_trace"] = [completion.reasoning]
    if usage := _token_usage(completion):
        record["token_usage"] = usage
    if performance := _request_performance(completion):
        record["performance"] = performance
    if error := completion.refusal or (verdict.status if verdict.status not in ("passed", "failed") else ""):
        record["error"] = error
    return record


def _sha256_of_json(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _describe_program_extraction(
    task: Task, problem: Problem, completion: Completion, verdict: Verdict
) -> AnswerAttribution:
    source = extract_program_source(task, problem, completion)
    return {
        "turn_idx": 0,
        "source": "output.raw",
        "extracted_value": source or "",
        "extraction_method": verdict.extraction or ("none" if source is None else f"form {completion.form}"),
        "is_terminal": True,
    }


def _token_usage(completion: Completion) -> TokenUsage | None:
    """Returns a completion's token counts for its record; None if prompt or output tokens were not counted."""
    prompt, output = completion.prompt_tokens, completion.output_tokens
    if prompt is None or output is None:
        return None
    usage: TokenUsage = {"input_tokens": prompt, "output_tokens": output, "total_tokens": prompt + output}
    if completion.reasoning_tokens is not None:
        usage["reasoning_tokens"] = completion.reasoning_tokens
    return usage


def _request_performance(completion: Completion) -> Performance:
    """Returns a completion's measured times, in ms, for its record; an empty dictionary if none was measured."""
    performance: Performance = {}
    if completion.total_s is not None:
        performance["latency_ms"] = 1000 * completion.total_s
    if completion.first_output_s is not None:
        performance["time_to_first_token_ms"] = 1000 * completion.first_output_s
    if completion.total_s is not None and completion.prefill_s is not None:
        performance["generation_time_ms"] = 1000 * (completion.total_s - completion.prefill_s)
    others = {name: getattr(completion, name) for name in ("forwards", "batch", "accepted_drafts", "rejected_drafts")}
    if details := {name: str(value) for name, value in others.items() if value is not None}:
        performance["additional_details"] = details
    return performance
