"""Names runs that a report shows together: the model, and the settings in which runs of the same model differ."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalharness.data.run_files import COMPLETIONS
from evalharness.data.runs import Run
from evalharness.report.run_settings import Family, flatten_run_settings, model_family_of
from evalharness.report.task_variant import remove_sample_suffix, task_name_of
from evalharness.util.text import one_line
from evalharness.util.visible import escape_control_characters

NOT_SHOWN = (
    "seed", "config_sha256", "weights_sample_sha256", "chat_template_sha256", "torch", "transformers", "model",
    "kernels_reason", "trace",
)  # fmt: skip
"""Settings that a run's name shows only where no other setting differs."""
MAX_SETTINGS = 3
"""Number of differing settings above which a run is named by its folder."""
MAX_VALUE_LENGTH = 32
"""Maximum length of a setting's value in a name, in characters."""
Settings = tuple[tuple[str, Any], ...]
"""Key and value of each setting that differs between this and other runs of the model."""
ModelKey = tuple[str | None, str | None]
"""Identifies a model: the names of backend and model."""
CurveKey = tuple[Any, ...]
"""Identifies a curve of the frontier plot: a model with all settings that are not swept numbers."""


@dataclass(frozen=True)
class RunName:
    """The name of a run in reports: the model, and settings that distinguish it from the model's other runs."""

    model: str
    family: Family
    settings: Settings = ()
    folder: str = ""
    """The part of the folder's path that identifies the run where settings do not; empty for a model's only run."""
    ambiguous: bool = False
    """Whether another run of the task is shown with the same settings."""

    @property
    def distinguishing_settings(self) -> str:
        """The settings that distinguish the run from others, such as "threshold=0.9".

        If there are none, or more than `MAX_SETTINGS`, it is the distinguishing part of the path of the run's folder.
        """
        if len(self.settings) > MAX_SETTINGS:
            return self.folder
        shown = [f"{key}={_shorten_setting_value(value)}" for key, value in self.settings]
        return ", ".join([*shown, self.folder] if self.ambiguous else shown) or self.folder

    @property
    def label(self) -> str:
        """The run's full name: the model and its distinguishing settings."""
        text = self.model + (f" ({self.distinguishing_settings})" if self.distinguishing_settings else "")
        return "".join(
            letter if letter.isprintable() else "�" for letter in text
        )  # SVG cannot hold control characters.

    @property
    def short_label(self) -> str:
        """The run's label within a curve of the frontier plot: only the values of the swept options, such as "0.9"."""
        shown = [_shorten_setting_value(value) for key, value in self.settings if _is_swept_setting(key, value)]
        return ", ".join([*shown, self.folder] if self.ambiguous else shown)

    @property
    def swept_values(self) -> tuple[float, ...]:
        """The values of numeric settings that differ between runs; the points of a curve are sorted by them."""
        return tuple(value for key, value in self.settings if _is_swept_setting(key, value))

    @property
    def frontier_curve_key(self) -> CurveKey:
        """The key of the run's curve in the frontier plot: the model, and all settings except swept numbers."""
        return (self.model, self.family, *(item for item in self.settings if not _is_swept_setting(*item)))


def name_runs(runs: Sequence[Run]) -> list[RunName]:
    """Returns a display name for each run, in order; the names of one model's runs state the settings that differ."""
    models: list[ModelKey] = [(run.summary.get("backend"), model_or_samples_file_name(run)) for run in runs]
    groups: dict[tuple[ModelKey, str], list[int]] = defaultdict(list)
    for index, run in enumerate(runs):
        groups[models[index], _task_data_key(run)].append(index)
    settings = [flatten_run_settings(run) for run in runs]
    differing: dict[ModelKey, set[str]] = defaultdict(set)
    for (model, _), indices in groups.items():
        differing[model] |= _find_differing_settings([settings[index] for index in indices])
    shown = [
        _select_settings_for_name(differing[model], values) for model, values in zip(models, settings, strict=True)
    ]
    model_names = _make_model_display_names(models)
    names = []
    for index, run in enumerate(runs):
        group = groups[models[index], _task_data_key(run)]
        folder = (
            ""
            if len(group) == 1
            else _shortest_distinct_folder_names([runs[other] for other in group])[group.index(index)]
        )
        ambiguous = sum(_settings_look_equal(shown[other], shown[index]) for other in group) > 1
        model_name = escape_control_characters(one_line(model_names[models[index]]))
        names.append(
            RunName(
                model_name, model_family_of(run), shown[index], escape_control_characters(one_line(folder)), ambiguous
            )
        )
    return names


def model_or_samples_file_name(run: Run) -> str | None:
    """Returns the name of a run's model, or, for samples that were graded without one, the samples file's name.

    If that file is a run's completions.jsonl, returns the name of its folder. Returns None if neither name is known.
    """
    if model := run.summary.get("model"):
        return str(model)
    file = run.manifest.get("environment", {}).get("samples_file")
    if not file:
        return None
    path = Path(file)
    return path.parent.name if path.name == COMPLETIONS else path.name


def _task_data_key(run: Run) -> str:
    """Returns a text that is equal for runs of one task on the same data, even if they select different problems."""
    summary = run.summary
    options = {key: value for key, value in summary.get("options", {}).items() if key != "recipe"}
    return repr([*map(summary.get, ("task", "version", "split", "official_data")), sorted(options.items())])


def _find_differing_settings(settings_of_runs: Sequence[Mapping[str, Any]]) -> set[str]:
    """Returns the keys of settings that differ between runs; a key in `NOT_SHOWN` only if no other key differs."""
    keys = {key for values in settings_of_runs for key in values}
    differing = {key for key in keys if len({repr(values.get(key)) for values in settings_of_runs}) > 1}
    return {key for key in differing if _last_part_of_key_path(key) not in NOT_SHOWN} or differing


def _select_settings_for_name(differing_keys: set[str], settings: Mapping[str, Any]) -> Settings:
    """Returns the settings to show in a run's name: those in `differing_keys` that have a value in the run.

    If none of them has a value, all of them are returned, with the value None.
    """
    items = tuple((_last_part_of_key_path(key), settings.get(key)) for key in sorted(differing_keys))
    return tuple(item for item in items if item[1] is not None) or items


def _settings_look_equal(first: Settings, second: Settings) -> bool:
    """Returns whether two runs' settings look the same in the runs' names, where long values are shortened."""
    return [(key, _shorten_setting_value(value)) for key, value in first] == [
        (key, _shorten_setting_value(value)) for key, value in second
    ]


def _shortest_distinct_folder_names(runs: Sequence[Run]) -> list[str]:
    """Returns, for each run, the shortest end of its folder's path that distinguishes it from the other runs."""
    folders = [run.folder.resolve() for run in runs]
    names = [_last_folder_name_except_task_or_backend(run) for run in runs]
    for parts in range(2, max(len(folder.parts) for folder in folders) + 1):
        if len(set(names)) == len(runs):
            break
        names = ["/".join(folder.parts[-parts:]) for folder in folders]
    return names


def _last_folder_name_except_task_or_backend(run: Run) -> str:
    """Returns the last component of a run's folder path that is not the name of its task or backend."""
    task, folder = task_name_of(run.summary), run.folder.resolve()
    redundant = {task, remove_sample_suffix(task), run.summary.get("backend")}
    return next((part for part in reversed(folder.parts[1:]) if part not in redundant), folder.name)


def _make_model_display_names(model_keys: Sequence[ModelKey]) -> dict[ModelKey, str]:
    """Returns a display name for each model: the last part of its name, such as "Qwen2.5-Coder-7B".

    Models that would share this name get the backend's name before it, or their full name.
    """
    short = {key: str(key[1]).rstrip("/").rpartition("/")[2] if key[1] else str(key[0]) for key in model_keys}
    names = {}
    for key, name in short.items():
        same = [other for other, other_name in short.items() if other_name == name]
        if len(same) == 1:
            names[key] = name
        else:
            backend, model = key
            one_model = len({other for _, other in same}) == 1
            names[key] = " ".join(filter(None, (backend, name if one_model and model else model)))
    return names


def _is_swept_setting(key: str, value: Any) -> bool:
    """Returns whether a setting is a number that may vary along a curve of the frontier plot; False for a seed."""
    return key != "seed" and (isinstance(value, int | float) and not isinstance(value, bool))


def _last_part_of_key_path(key_path: str) -> str:
    return key_path.rpartition(".")[2]


def _shorten_setting_value(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else escape_control_characters(one_line(str(value)))
    return text if len(text) <= MAX_VALUE_LENGTH else text[: MAX_VALUE_LENGTH - 3] + "..."
