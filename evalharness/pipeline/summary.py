"""Makes the summary of a run from its rows."""

from collections import Counter
from pathlib import Path
from typing import cast

from evalharness.backends.replay import ReplayBackend
from evalharness.data.run_files import read_completions, read_manifest, read_verdicts
from evalharness.data.run_types import Figures, Summary
from evalharness.metrics.passk import DEFAULT_KS, rates, rates_by_facet, tally
from evalharness.metrics.throughput import measurement_conditions, speed
from evalharness.metrics.tokenizing import common_tokenizer
from evalharness.pipeline.validate import PreparedTask
from evalharness.records import STATUSES, Backend, Status


def summarize(prepared: PreparedTask, backend: Backend, folder: Path, asked: int) -> Summary:
    """Returns the content of summary.json for a run directory of which `asked` samples are wanted."""
    config, context = prepared.config, prepared.context
    figures = count_figures(prepared, folder, asked)
    summary = {
        "task": prepared.task.name,
        "backend": backend.name,
        "model": config.model,
        "recipe": context.recipe_name,
        "version": context.version.name,
        "split": context.split,
        "options": dict(context.options),
        "note": "" if context.is_sample else context.version.note,
        "official_data": context.data.official,
        **figures,
    }
    if middle := middle_policy(prepared, backend):
        summary["middle"] = middle
    if config.shard:
        summary["shard"] = config.shard
    return cast(Summary, summary)


def middle_policy(prepared: PreparedTask, backend: Backend) -> str | None:
    """Returns how the length of an infilled middle is chosen; None for a task that does not infill.

    For samples made elsewhere it is known only where the user names the recipe; else it is "unknown".
    """
    middle = prepared.context.recipe.middle
    known = not isinstance(backend, ReplayBackend) or "recipe" in prepared.config.options
    return (middle if known else "unknown") if middle else None


def count_figures(prepared: PreparedTask, folder: Path, asked: int) -> Figures:
    """Returns the part of a summary that is counted from the rows of a run directory."""
    ks = prepared.config.ks or DEFAULT_KS
    manifest = read_manifest(folder)
    environment = manifest["environment"]
    tallies = tally(read_verdicts(folder))
    statuses = sum((counts.statuses for counts in tallies.values()), Counter[Status]())
    held = measurement_conditions(manifest["config"]["backend"], environment["hardware"])
    if merged := environment.get("merged"):
        held["merged_runs"] = len(merged)
    if copies := environment.get("copies"):
        held["copies"] = copies
    figures: Figures = {
        "problems": len(tallies),
        "problems_of_task": prepared.problems_of_task,
        "samples": statuses.total(),
        "asked": asked,
        "metrics": rates(tallies, ks),
        "speed": speed(read_completions(folder), common_tokenizer(prepared.config.tokenizer), held),
        "statuses": {status: statuses[status] for status in STATUSES if statuses[status]},
    }
    extraction = sum((counts.extraction for counts in tallies.values()), Counter[str]())
    if extraction:
        figures["extraction"] = dict(extraction.most_common())
    if facets := rates_by_facet(tallies, prepared.problems, ks):
        figures["facets"] = facets
    if statuses["infrastructure"]:
        figures["infrastructure"] = next(
            f"{row.task_id}: {row.detail}" for row in read_verdicts(folder) if row.status == "infrastructure"
        )
    return figures
