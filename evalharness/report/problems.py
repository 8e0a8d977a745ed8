"""Reads the problems of a finished run again from the task's data: a run directory does not contain prompts."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evalharness.adapters import open_task
from evalharness.data.loading import SHIPPED_ORIGIN_PREFIX
from evalharness.data.runs import Run
from evalharness.data.sources import DataSources, parse_data_source
from evalharness.errors import UserError
from evalharness.records import Problem, Task
from evalharness.report.task_variant import remove_sample_suffix


@dataclass(frozen=True)
class RunProblems:
    """The problems of a run by id, in the official order; if they cannot be read, no problems and the reason."""

    by_id: Mapping[str, Problem] = field(default_factory=dict)
    missing: str = ""
    """Why there are no problems: one or more sentences."""
    task: Task | None = None
    """The task, which makes programs of completions by the run's recipe (its prompt and extraction settings)."""


def load_problems(run: Run, data_source: str | None = None) -> RunProblems:
    """Returns the problems of a run, with the prompts of the run's recipe, read again from the task's data.

    If the data are not available, or their fingerprint differs from the run's, the result contains the reason
    instead of problems. The problems of a run on sample data are read from the bundled sample. For any other run,
    `data_source` is a folder, "hub" or "sample"; the default is the folder $EVALHARNESS_DATA, or else the folder that
    the run used. Nothing is downloaded unless `data_source` is "hub".
    """
    try:
        task = run.manifest["config"]["task"]
        sample = task["data"]["origin"] == "sample"
        name = run.manifest["environment"].get("card", remove_sample_suffix(task["name"]) if sample else task["name"])
        source = "sample" if sample else _choose_data_source(task["data"]["origin"], data_source)
        if source is None:
            return RunProblems(missing="The task's data are not available here; set $EVALHARNESS_DATA to their folder.")
        options = {"version": task["version"], "recipe": task["recipe"]["name"], **task["options"]}
        if task["split"]:
            options["split"] = task["split"]
        opened, context = open_task(name, source, options)
        if context.data.fingerprint != task["data"]["fingerprint"]:
            return RunProblems(
                missing=f"The data from {context.data.origin} are not those of this run; give the run's data with "
                "--data DIR."
            )
        return RunProblems({problem.task_id: problem for problem in opened.problems()}, task=opened)
    except KeyError as error:
        return RunProblems(
            missing=f"The run's manifest.json does not say which data it used: the key {error} is missing; repeat "
            "the run."
        )
    except (UserError, OSError) as error:
        return RunProblems(missing=f"The task's data could not be read: {error}")


def _choose_data_source(run_data_origin: str, requested_source: str | None) -> DataSources | None:
    """Returns where to read the problems of a run again; None if its data are not available."""
    if run_data_origin.startswith(SHIPPED_ORIGIN_PREFIX):
        return "hub"  # The records come with the card, whatever the source.
    if requested_source is not None or os.environ.get("EVALHARNESS_DATA"):
        return parse_data_source(requested_source)
    folder = Path(run_data_origin.removeprefix("folder "))
    return folder if run_data_origin.startswith("folder ") and folder.is_dir() else None
