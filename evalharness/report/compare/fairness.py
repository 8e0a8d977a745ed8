"""What makes a comparison of two runs unfair: whatever differs besides the model and how it decodes."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from evalharness.report.runs import RunRecord
from evalharness.util.differences import differences

TASK_PARTS = {
    "data": "data", "version": "data", "split": "data", "problems": "data", "options": "data", "recipe": "recipe",
    "rules": "grading", "grading": "grading", "image": "grading", "commands": "grading",
}  # fmt: skip
"""What a part of the manifest's task is called here; the rest of it follows from these."""
PROSE = ("recipe.description", "grading.notes")
"""Texts of the task card in the manifest that do not change a number."""


def unfair(first: RunRecord, second: RunRecord, names: tuple[str, str]) -> list[str]:
    """What differs besides the model, one line each: data, recipe, grading, samples, sampling, hardware.

    `names` are what the runs are called.
    """
    one, two = first.manifest.get("config", {}), second.manifest.get("config", {})
    kinds: dict[str, list[str]] = defaultdict(list)
    for place, old, new in differences(one.get("task", {}), two.get("task", {})):
        kind = None if place in PROSE else TASK_PARTS.get(place.partition(".")[0])
        if kind == "recipe":
            recipes = (_recipe(first), _recipe(second))
            kinds[kind] = [f"{recipes[0]} against {recipes[1]}" if recipes[0] != recipes[1] else "its text differs"]
        elif kind:
            kinds[kind].append(_against(place, old, new))
    for part, kind in (("samples", "samples"), ("sampling", "sampling"), ("sandbox", "grading")):
        for place, old, new in differences(one.get(part, {}), two.get(part, {})):
            if place == "max_new_tokens":
                kinds["token limit"] = [_against("", old, new)]
            elif place != "seed":
                kinds[kind].append(_against(place, old, new))
    kinds["speed"] = _speeds_differ(first, second, names)
    order = ("data", "recipe", "token limit", "samples", "sampling", "grading", "speed")
    return [f"{kind}: {'; '.join(kinds[kind])}" for kind in order if kinds[kind]]


def _against(place: str, old: str, new: str, absent: str = "none") -> str:
    """A place and both values there, as `differences` has them; `absent` is said where there is none."""
    values = [absent if value == "null" else value for value in (old, new)]
    return f"{place} {values[0]} against {values[1]}".strip()


def _speeds_differ(first: RunRecord, second: RunRecord, names: tuple[str, str]) -> list[str]:
    """What the speeds hold for, where it differs; or whose was not measured, where the other's was."""
    lacking = [name for run, name in zip((first, second), names, strict=True) if not run.summary.get("speed")]
    if lacking:
        return [f"not measured for {lacking[0]}"] if len(lacking) == 1 else []
    found = differences(_conditions(first), _conditions(second))
    return [_against(place.replace("_", " "), old, new, "not stated") for place, old, new in found]


def _recipe(run: RunRecord) -> Any:
    return run.summary.get("recipe")


def _conditions(run: RunRecord) -> dict[str, Any]:
    """What the speed holds for. Clocks that are read at a moment differ from run to run and say nothing here."""
    speed: Mapping[str, Any] = run.summary.get("speed", {})
    held = {key: value for key, value in speed.get("conditions", {}).items() if key not in ("clocks", "endpoint")}
    return {**held, "concurrency": speed.get("steady", {}).get("concurrency"), "batch": speed.get("batch")}
