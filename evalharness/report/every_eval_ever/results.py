"""Makes the scores of a run's Every Eval Ever record: pass rates, speed and latencies, each with its description."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from evalharness.data.cards import find_task
from evalharness.data.run_types import PassRate, Percentiles
from evalharness.data.runs import Run
from evalharness.errors import UserError
from evalharness.metrics.intervals import CONFIDENCE
from evalharness.report.every_eval_ever.schema import (
    ConfidenceInterval,
    Details,
    EvaluationResult,
    GenerationArgs,
    GenerationConfig,
    Metric,
    ScoreDetails,
    SourceData,
)
from evalharness.report.run_metrics import measurement_conditions_text
from evalharness.report.task_variant import (
    is_task_on_sample_data,
    remove_sample_suffix,
    settings_that_affect_pass_rates,
    task_name_of,
)

RATE_METHOD = "Wilson score interval over problems for one sample per problem, else percentile bootstrap over problems"
SPEED_METHOD = "log-normal interval over requests or batches"
NOT_PUBLISHED = ("model", "base_url")
"""Settings of a backend that may name folders and hosts of the user's; the model has its own fields."""
LATENCIES: Mapping[str, tuple[str, str]] = {
    "latency_s": ("latency", "End-to-end latency of a request"),
    "first_output_s": ("time_to_first_token", "Time to the first chunk of output of a request"),
    "time_per_output_token_s": ("time_per_output_token", "Time per output token of a request after the first one"),
}
"""The names of the latencies in the summary, here, and in words."""


def make_metric_results(run: Run) -> list[EvaluationResult]:
    """Returns the scores of a run for its Every Eval Ever record: pass rates, tokens/s and latencies."""
    data, generation, timestamp = make_source_data(run), make_generation_config(run), run_start_timestamp(run)
    results = []
    for metric, details in _iterate_metrics_and_scores(run):
        result: EvaluationResult = {
            "evaluation_result_id": metric["metric_name"],
            "evaluation_name": task_name_of(run.summary),
            "source_data": data,
            "metric_config": metric,
            "score_details": details,
            "generation_config": generation,
        }
        if timestamp:
            result["evaluation_timestamp"] = timestamp
        results.append(result)
    return results


def run_start_timestamp(run: Run) -> str:
    """Returns a run's start as text, in seconds since the Unix epoch; "" if its manifest does not contain it."""
    text = str(run.manifest.get("environment", {}).get("started_at", ""))
    try:
        return str(int(datetime.fromisoformat(text).timestamp()))
    except ValueError:
        return ""


def _iterate_metrics_and_scores(run: Run) -> Iterator[tuple[Metric, ScoreDetails]]:
    """Yields (description of the metric, score) for each metric that was measured in a run."""
    for name, rate in run.summary.get("metrics", {}).items():
        yield _make_rate_metric(name), _make_rate_score(run, rate)
    speed, conditions = run.speed, {"measured_on": measurement_conditions_text(run)}
    if "output_tokens_per_s" in speed:
        score: ScoreDetails = {"score": speed["output_tokens_per_s"], "details": conditions}
        if ends := speed.get("output_tokens_per_s_ci95"):
            score["uncertainty"] = {
                "confidence_interval": _make_confidence_interval(ends, SPEED_METHOD),
                "num_samples": speed.get("requests", 0),
            }
        description = "Output tokens of all requests / seconds in which at least one was in progress"
        yield (
            _make_speed_metric("output_tokens_per_s", "throughput", "tokens/s", description, lower_is_better=False),
            score,
        )
    for key, (kind, description) in LATENCIES.items():
        percentiles: Percentiles = speed.get(key, {})  # type: ignore[assignment]
        for rank, seconds in percentiles.items():
            name = f"{key}.{rank}"
            yield (
                _make_speed_metric(name, kind, "seconds", f"{description}: {rank} over requests", lower_is_better=True),
                {"score": seconds, "details": conditions},
            )


def _make_rate_metric(rate_name: str) -> Metric:
    kind, _, k = rate_name.partition("@")
    base = kind.startswith("base")
    tests = "the original benchmark's tests" if base else "all tests"
    return {
        "evaluation_description": f"Share of problems of which at least one of {k} samples passes {tests} (unbiased)",
        "metric_id": "evalplus.base_pass_at_k" if base else "pass_at_k",
        "metric_name": rate_name,
        "metric_kind": "pass_rate",
        "metric_unit": "proportion",
        "metric_parameters": {"k": int(k)},
        "lower_is_better": False,
        "score_type": "continuous",
        "min_score": 0.0,
        "max_score": 1.0,
    }


def _make_rate_score(run: Run, rate: PassRate) -> ScoreDetails:
    summary = run.summary
    details = {
        "problems": str(summary.get("problems", "")),
        "problems_of_task": str(summary.get("problems_of_task", "")),
        "samples": str(summary.get("samples", "")),
        "statuses": json.dumps(summary.get("statuses", {})),
        "answers": json.dumps(answers["counts"] if (answers := summary.get("answers")) else {}),
    }
    return {
        "score": rate["value"],
        "uncertainty": {
            "confidence_interval": _make_confidence_interval(rate["ci95"], RATE_METHOD),
            "num_samples": summary.get("problems", 0),
        },
        "details": details,
    }


def _make_confidence_interval(interval: list[float], method: str) -> ConfidenceInterval:
    return {"lower": interval[0], "upper": interval[1], "confidence_level": CONFIDENCE, "method": method}


def _make_speed_metric(
    metric_name: str, metric_kind: str, unit: str, description: str, *, lower_is_better: bool
) -> Metric:
    return {
        "evaluation_description": description,
        "metric_id": f"evalharness.{metric_name}",
        "metric_name": metric_name,
        "metric_kind": metric_kind,
        "metric_unit": unit,
        "lower_is_better": lower_is_better,
        "score_type": "continuous",
        "min_score": 0.0,
        "max_score": "Infinity",
    }


def make_source_data(run: Run) -> SourceData:
    """Returns the source of a run's problems (data set and repository), for its Every Eval Ever record."""
    task = run.config.get("task", {})
    data = task.get("data", {})
    details = _convert_settings_to_texts({key: task.get(key) for key in ("family", "version", "split", "options")})
    details |= _convert_settings_to_texts({"fingerprint": data.get("fingerprint"), "official": data.get("official")})
    source: SourceData = {
        "dataset_name": str(task.get("family") or task_name_of(run.summary)),
        "source_type": "other",
        "additional_details": details,
    }
    if repository := _find_hub_repository(run) if data.get("official") else None:
        source |= {"source_type": "hf_dataset", "hf_repo": repository, "samples_number": int(task.get("problems", 0))}
    return source


def _find_hub_repository(run: Run) -> str | None:
    """Returns the Hugging Face repository of a run's data; None if the data are not from the hub."""
    name = task_name_of(run.summary)
    if is_task_on_sample_data(name):
        return None
    try:
        _, entry = find_task(remove_sample_suffix(name))
    except UserError:
        return None
    version = entry.versions.get(str(run.summary.get("version")))
    return version.hub.repo if version and version.hub else None


def make_generation_config(run: Run) -> GenerationConfig:
    """Returns the generation settings and the sandbox of a run, for its Every Eval Ever record."""
    config = run.config
    task, backend, sampling = config.get("task", {}), config.get("backend", {}), config.get("sampling", {})
    arguments: GenerationArgs = {}
    if backend.get("name") != "replay":  # The settings of samples that were made elsewhere are not known.
        fields: dict[str, Any] = {
            "temperature": sampling.get("temperature"),
            "top_p": sampling.get("top_p"),
            "max_tokens": sampling.get("max_new_tokens"),
        }
        arguments |= {key: value for key, value in fields.items() if value is not None}  # type: ignore[typeddict-item]
        answers = run.summary.get("answers")
        if answers:
            arguments["reasoning"] = bool(answers.get("with_reasoning"))
    if template := _format_recipe_templates(task):
        arguments["prompt_template"] = template
    if image := task.get("image"):
        arguments["sandbox"] = {"type": str(config.get("sandbox", {}).get("isolation", "container")), "config": image}
    if command := run.manifest.get("environment", {}).get("command"):
        arguments["execution_command"] = " ".join(["evalharness", *command[1:]])
    others = {
        "conditions": settings_that_affect_pass_rates(run.summary),
        "seed": sampling.get("seed"),
        **config.get("samples", {}),
    }
    settings = {f"backend.{key}": value for key, value in backend.items() if key not in NOT_PUBLISHED}
    return {"generation_args": arguments, "additional_details": _convert_settings_to_texts({**others, **settings})}


def _format_recipe_templates(task_description: Mapping[str, Any]) -> str:
    recipe = task_description.get("recipe", {})
    fields = recipe.get("fields", {}) if isinstance(recipe, dict) else {}
    return "\n\n".join(f"{name}:\n{text}" for name, text in fields.items())


def _convert_settings_to_texts(settings: Mapping[str, Any]) -> Details:
    """Returns settings by name with their values as texts; settings without a value are omitted."""
    present = {key: value for key, value in settings.items() if value not in (None, "", {}, [])}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in present.items()}
