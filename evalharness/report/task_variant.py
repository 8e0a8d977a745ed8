"""Which problems a run covers: task, version, split, window of time and kind of data, and what to call them."""

from collections.abc import Mapping
from enum import StrEnum

from evalharness.data.run_types import Summary

SAMPLE_SUFFIX = "-sample"
LANGUAGE_FAMILIES = ("multipl-e", "santacoder-fim")
"""Task families with one task per language; the language ends the task's name."""
UNOFFICIAL = "UNOFFICIAL DATA"
"""The mark of a run on data that are not the benchmark's."""


class DataKind(StrEnum):
    """The kind of data that a run is on. Results on different kinds never share a table or a panel."""

    FULL = "full"
    """The benchmark's official data."""
    SAMPLE = "sample"
    """The bundled sample."""
    UNOFFICIAL = "unofficial"
    """Data whose fingerprint is not the one that the task's card pins."""


def data_kind(summary: Summary) -> DataKind:
    """Returns the kind of data that the run is on."""
    if is_sample(task_of(summary)):
        return DataKind.SAMPLE
    return DataKind.FULL if summary.get("official_data", True) else DataKind.UNOFFICIAL


def task_of(summary: Summary) -> str:
    """Returns the task's name; "None" for a summary that lacks it."""
    return str(summary.get("task"))


def is_sample(task: str) -> bool:
    """Returns whether a task's name is that of a bundled sample."""
    return task.endswith(SAMPLE_SUFFIX)


def base_task(task: str) -> str:
    """Returns the task's name without the mark of a sample."""
    return task.removesuffix(SAMPLE_SUFFIX)


def language_of(task: str) -> tuple[str, str]:
    """Returns a task's name without its language, and the language ("py", "cpp" ...); Python for other tasks."""
    family, _, language = base_task(task).rpartition("-")
    return (family, language) if family in LANGUAGE_FAMILIES else (base_task(task), "py")


def variant_parts(summary: Summary) -> list[str]:
    """Returns the version, split and further options of the data, such as ["v1.0", "split test", "release v5"]."""
    parts = [str(summary["version"])] if summary.get("version") else []
    parts += [f"split {summary['split']}"] if summary.get("split") else []
    options: Mapping[str, str] = summary.get("options", {})
    return parts + [f"{key} {value}" for key, value in options.items() if key not in ("recipe", "version", "split")]


def task_title(summary: Summary) -> str:
    """Returns the task's name with its variant; equal titles mean equal problems."""
    mark = [UNOFFICIAL] if data_kind(summary) is DataKind.UNOFFICIAL else []
    return ", ".join([task_of(summary), *variant_parts(summary), *mark])


def run_conditions(summary: Summary) -> str:
    """Returns what has to be equal for two runs' rates to be comparable.

    Version, recipe, length policy of an infilled middle, split, the task's options, the version's note, and a mark for
    unofficial data.
    """
    parts = [summary["version"], summary["recipe"]]
    parts += [f"middle {summary['middle']}"] if "middle" in summary else []
    parts += [f"split {summary['split']}"] if summary["split"] else []
    parts += [f"{name} {value}" for name, value in summary.get("options", {}).items()]
    parts += [summary["note"]] if summary.get("note") else []
    parts += [UNOFFICIAL] if data_kind(summary) is DataKind.UNOFFICIAL else []
    return ", ".join(parts)
