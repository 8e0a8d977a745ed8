"""What to call each run where several are shown together: the model, and the settings in which runs of it differ."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalharness.report.runs import RunRecord

UNNAMED = (
    "seed", "config_sha256", "weights_sample_sha256", "chat_template_sha256", "torch", "transformers", "model",
    "kernels_reason", "trace",
)  # fmt: skip
"""Settings that are no name for a reader, if there is another."""
Family = str
Settings = tuple[tuple[str, Any], ...]
Key = tuple[Any, Any]
"""Backend and model."""
FAMILIES: tuple[Family, ...] = ("diffusion", "ar", "other")
LONGEST = 3
"""So many settings are named at most; with more, a run is called by its folder."""
SHORT = 32
MANY = 1.5
"""Tokens a forward pass; a model that fixes one at a time has hardly more than 1: the prompt's pass gives one too."""


@dataclass(frozen=True)
class RunName:
    """How a run is shown. Runs with an equal `curve` are one model with swept numbers, such as a threshold."""

    model: str
    family: Family
    settings: Settings = ()
    """Key and value of what differs between this and other runs of the model."""
    fallback: str = ""
    """What tells it apart where no setting does."""

    repeated: bool = False
    """Whether another run of the task has settings that look the same."""

    @property
    def variant(self) -> str:
        if len(self.settings) > LONGEST:
            return self.fallback
        shown = [f"{key}={_short(value)}" for key, value in self.settings]
        return ", ".join([*shown, self.fallback] if self.repeated else shown) or self.fallback

    @property
    def label(self) -> str:
        text = self.model + (f" ({self.variant})" if self.variant else "")
        return "".join(letter if letter.isprintable() else "�" for letter in text)  # else no picture can be drawn

    @property
    def short(self) -> str:
        """What tells it apart within its curve: the swept numbers, and its folder where another has the same."""
        shown = [_short(value) for key, value in self.settings if _is_swept(key, value)]
        return ", ".join([*shown, self.fallback] if self.repeated else shown)

    @property
    def swept(self) -> tuple[float, ...]:
        """The swept numbers, in whose order a line joins the points of a curve."""
        return tuple(value for key, value in self.settings if _is_swept(key, value))

    @property
    def curve(self) -> tuple[Any, ...]:
        """The model and every setting that is not a swept number."""
        return (self.model, self.family, *(item for item in self.settings if not _is_swept(*item)))


def name_runs(runs: Sequence[RunRecord]) -> list[RunName]:
    """A name for each run, in order. Settings are compared between runs of the same model on the same task."""
    full = [(run.summary.get("backend"), run.summary.get("model")) for run in runs]
    short = {key: _model_name(key) for key in set(full)}
    clashing = {name for name in short.values() if sum(name == other for other in short.values()) > 1}
    same: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for place, run in enumerate(runs):
        same[(*full[place], _problems(run))].append(place)
    settings = [_settings(run) for run in runs]
    differing: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for (backend, model, _), places in same.items():
        if len(places) > 1:
            keys = {key for place in places for key in settings[place]}
            found = {key for key in keys if len({repr(settings[place].get(key)) for place in places}) > 1}
            differing[backend, model] |= {key for key in found if key.split(".")[-1] not in UNNAMED} or found
    shown = [_shown(differing[key], each) for key, each in zip(full, settings, strict=True)]
    names = []
    for place, run in enumerate(runs):
        key = full[place]
        name = _with_backend(key, short) if short[key] in clashing else short[key]
        group = same[(*key, _problems(run))]
        fallback = "" if len(group) == 1 else _folder_names([runs[each] for each in group])[group.index(place)]
        repeated = sum(_alike(shown[each], shown[place]) for each in group) > 1
        names.append(RunName(name, family_of(run), shown[place], fallback, repeated))
    return names


def _alike(one: Settings, other: Settings) -> bool:
    """Whether two runs' settings look alike where they are shown, which long ones are in part."""
    return [(key, _short(value)) for key, value in one] == [(key, _short(value)) for key, value in other]


def _shown(differing: set[str], settings: Mapping[str, Any]) -> Settings:
    """What of a run's settings is named: those that it lacks only if it has none of the others."""
    every = tuple((_last(key), settings.get(key)) for key in sorted(differing))
    return tuple(item for item in every if item[1] is not None) or every


def _folder_names(runs: Sequence[RunRecord]) -> list[str]:
    """What runs of one model and task are called by their folders: as short as tells them apart."""
    folders = [run.folder.resolve() for run in runs]
    found = [_telling_part(run) for run in runs]
    for parts in range(2, max(len(folder.parts) for folder in folders) + 1):
        if len(set(found)) == len(runs):
            break
        found = ["/".join(folder.parts[-parts:]) for folder in folders]
    return found


def _telling_part(run: RunRecord) -> str:
    """The last part of the folder's path that is not merely the task's or the backend's name."""
    task, folder = str(run.summary.get("task")), run.folder.resolve()
    plain = {task, task.removesuffix("-sample"), run.summary.get("backend")}
    return next((part for part in reversed(folder.parts[1:]) if part not in plain), folder.name)


def _with_backend(key: Key, short: Mapping[Key, str]) -> str:
    """Backend and model, the model in full where others are called alike."""
    backend, model = key
    alike = {other for (_, other), name in short.items() if name == short[key]}
    return " ".join(filter(None, (backend, short[key] if len(alike) == 1 and model else model)))


def family_of(run: RunRecord) -> Family:
    """How the model generates: as the backend says, else by what is known of it; an endpoint tells nothing."""
    backend = run.manifest.get("config", {}).get("backend", {})
    said = backend.get("family")
    if said in FAMILIES:
        return str(said)
    name = str(run.summary.get("backend"))
    if name in ("ar", "transformers"):
        return "ar"
    many = run.summary.get("speed", {}).get("tokens_per_forward", 1.0) > MANY
    return "diffusion" if many or "diffusion" in name else "other"


def _problems(run: RunRecord) -> str:
    """Equal for runs of the same task and data; which of their problems a run is of counts as a setting of it."""
    summary = run.summary
    own = {key: value for key, value in summary.get("options", {}).items() if key != "recipe"}
    return repr([*map(summary.get, ("task", "version", "split", "official_data")), sorted(own.items())])


def _chosen(run: RunRecord) -> str:
    """Which of its task's problems a run is of: a word, so that no line joins runs of different ones."""
    asked = run.manifest.get("config", {}).get("samples", {})
    limit, shard, only = asked.get("limit"), asked.get("shard"), asked.get("only")
    total = run.summary.get("problems_of_task", run.summary.get("problems", 0))
    parts = [f"first {limit}"] if limit is not None and limit <= total else []
    parts += [" ".join(only)] if only else []
    return ", ".join([*parts, f"shard {shard}"] if shard else parts) or "all"


def _settings(run: RunRecord) -> dict[str, Any]:
    config = run.manifest.get("config", {})
    shown = {
        "problems": _chosen(run),
        "backend": config.get("backend", {}),
        "recipe": run.summary.get("recipe"),
        "sampling": config.get("sampling", {}),
    }
    return dict(_flat(shown))


def _flat(value: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found = []
    for key, item in value.items():
        found += _flat(item, f"{before}{key}.") if isinstance(item, Mapping) else [(f"{before}{key}", item)]
    return found


def _model_name(key: tuple[Any, Any]) -> str:
    backend, model = key
    return str(model).rstrip("/").rpartition("/")[2] if model else str(backend)


def _is_swept(key: str, value: Any) -> bool:
    return key != "seed" and (isinstance(value, int | float) and not isinstance(value, bool))


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _short(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= SHORT else text[: SHORT - 3] + "..."
