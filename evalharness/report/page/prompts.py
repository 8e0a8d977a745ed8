"""The problems of a finished run, which its directory does not hold: read again from the task's data, where at hand."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evalharness.adapters import open_task
from evalharness.data.sources import DataSource, resolve_source
from evalharness.errors import UserError
from evalharness.records import Problem
from evalharness.report.runs import RunRecord

FAMILIES = ("multipl-e", "santacoder-fim")
"""Tasks that there is one of for each language, which ends its name."""


@dataclass(frozen=True)
class Problems:
    """Problems by id, in the official order; none of them, and why, where the run's data are not at hand."""

    found: Mapping[str, Problem] = field(default_factory=dict)
    missing: str = ""


def problems_of(run: RunRecord, data: str | None = None) -> Problems:
    """The problems that the run was about, with its recipe's prompts; never those of other data.

    `data` is as for a run: a folder, "hub" or "sample". Without it the bundled sample for a run of the sample, else
    $EVALHARNESS_DATA, else the folder that the run read; nothing is fetched unasked.
    """
    try:
        task = run.manifest["config"]["task"]
        sample = task["data"]["origin"] == "sample"
        source = "sample" if sample else _source(task["data"]["origin"], data)
        if source is None:
            return Problems(missing="The task's data are not at hand; report --data DIR or --data hub brings them in.")
        options = {"version": task["version"], "recipe": task["recipe"]["name"], **task["options"]}
        if task["split"]:
            options["split"] = task["split"]
        opened, context = open_task(task["name"].removesuffix("-sample") if sample else task["name"], source, options)
        if context.loaded.fingerprint != task["data"]["fingerprint"]:
            return Problems(missing=f"The data of {context.loaded.origin} are not those of this run.")
        return Problems({problem.task_id: problem for problem in opened.problems()})
    except KeyError as error:
        return Problems(missing=f"The run's manifest does not say which data it is of: {error} is not in it.")
    except (UserError, OSError) as error:
        return Problems(missing=f"The task's data could not be read: {error}")


def _source(origin: str, data: str | None) -> DataSource | None:
    if data is not None or os.environ.get("EVALHARNESS_DATA"):
        return resolve_source(data)
    folder = Path(origin.removeprefix("folder "))
    return folder if origin.startswith("folder ") and folder.is_dir() else None


def family_of(task: str) -> tuple[str, str]:
    """A task's name without its language, and the language ("py", "cpp" ...); of a task in one language, Python."""
    family, _, language = task.removesuffix("-sample").rpartition("-")
    return (family, language) if family in FAMILIES else (task.removesuffix("-sample"), "py")
