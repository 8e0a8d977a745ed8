"""Tells from a run's summary which problems it covers: task, data version, split, and sample or full data."""

from collections.abc import Mapping
from enum import StrEnum

from evalharness.data.run_types import Summary

SAMPLE_SUFFIX = "-sample"
LANGUAGE_FAMILIES = ("multipl-e", "santacoder-fim")
"""Task families with one task per language; the language ends the task's name."""
UNOFFICIAL = "UNOFFICIAL DATA"
"""The mark of a run on data that are not the benchmark's."""


class DataKind(StrEnum):
    """The kind of data that a run used: full, sample or unofficial. Different kinds never share a table or plot."""

    FULL = "full"
    """The benchmark's official data."""
    SAMPLE = "sample"
    """The bundled sample."""
    UNOFFICIAL = "unofficial"
    """Data whose fingerprint is not the one that the task's card (YAML file) states."""


def data_kind(summary: Summary) -> DataKind:
    """Returns the kind of data (full, sample, unofficial) that a run used, from its summary."""
    if is_task_on_sample_data(task_name_of(summary)):
        return DataKind.SAMPLE
    return DataKind.FULL if summary.get("official_data", True) else DataKind.UNOFFICIAL


def task_name_of(summary: Summary) -> str:
    """Returns the name of a run's task from its summary; "None" for a summary that lacks it."""
    return str(summary.get("task"))


def is_task_on_sample_data(task_name: str) -> bool:
    """Returns whether a task's name is that of bundled sample data, which ends in "-sample"."""
    return task_name.endswith(SAMPLE_SUFFIX)


def remove_sample_suffix(task_name: str) -> str:
    """Returns a task's name without the suffix "-sample" of the bundled sample data."""
    return task_name.removesuffix(SAMPLE_SUFFIX)


def split_task_family_and_language(task_name: str) -> tuple[str, str]:
    """Returns (family, language) of a task, such as ("multipl-e", "cpp"); a name without a language counts as "py"."""
    family, _, language = remove_sample_suffix(task_name).rpartition("-")
    return (family, language) if family in LANGUAGE_FAMILIES else (remove_sample_suffix(task_name), "py")


def task_option_texts(summary: Summary) -> list[str]:
    """Returns a run's data version, split and other task options, such as ["v1.0", "split test", "release v5"]."""
    parts = [str(summary["version"])] if summary.get("version") else []
    parts += [f"split {summary['split']}"] if summary.get("split") else []
    options: Mapping[str, str] = summary.get("options", {})
    return parts + [f"{key} {value}" for key, value in options.items() if key not in ("recipe", "version", "split")]


def task_title(summary: Summary) -> str:
    """Returns a run's task with data version, split and options as text; runs with equal titles have equal problems."""
    mark = [UNOFFICIAL] if data_kind(summary) is DataKind.UNOFFICIAL else []
    return ", ".join([task_name_of(summary), *task_option_texts(summary), *mark])


def settings_that_affect_pass_rates(summary: Summary) -> str:
    """Returns the settings that must be equal for a comparison of two runs' pass rates, as text.

    These are data version, recipe, the rule for the length of an infilled middle, split, task options, a note about the
    data version, and a mark for unofficial data.
    """
    parts = [summary["version"], summary["recipe"]]
    parts += [f"middle {summary['middle']}"] if "middle" in summary else []
    parts += [f"split {summary['split']}"] if summary["split"] else []
    parts += [f"{name} {value}" for name, value in summary.get("options", {}).items()]
    parts += [summary["note"]] if summary.get("note") else []
    parts += [UNOFFICIAL] if data_kind(summary) is DataKind.UNOFFICIAL else []
    return ", ".join(parts)
