"""Opens a task by name: finds its card (YAML file), checks the task options, loads the data and makes the adapter."""

from collections.abc import Mapping
from pathlib import Path

from evalharness.adapters.context import TaskContext
from evalharness.data.cards import Recipe, TaskEntry, find_task
from evalharness.data.cards.own_prompt import with_templates_from_file
from evalharness.data.cards.task_options import card_specific_option_names, check_task_options
from evalharness.data.cards.version_schema import DataVersion
from evalharness.data.loading import load_records
from evalharness.data.sources import DataSource, DataSources
from evalharness.data.splits import select_records_of_split
from evalharness.data.time_window import TimeWindow
from evalharness.data.versions import choose_data_source, find_version
from evalharness.errors import UserError
from evalharness.records import Task
from evalharness.util.plugins import load_plugin
from evalharness.util.suggest import unknown_name_message

ADAPTER_GROUP = "evalharness.adapters"
"""The entry-point group of adapters."""
TASK_METHODS = ("problems", "program", "verdict")
"""The methods that an adapter must have (`evalharness.records.Task`)."""


def open_task(task_name: str, sources: DataSources, options: Mapping[str, str]) -> tuple[Task, TaskContext]:
    """Returns the adapter of a task with its data loaded, and the context that the adapter was constructed with.

    Raises UserError for an unknown task or option, and for data that cannot be loaded.
    """
    card, entry = find_task(task_name)
    adapter = load_plugin(ADAPTER_GROUP, f"adapter of {entry.name}", card.adapter)
    context = load_task_context(task_name, sources, options)
    if not callable(adapter):
        raise UserError(
            f"the adapter {card.adapter!r} of the task {entry.name} is not a class; update or uninstall its package"
        )
    task: Task = adapter(context)
    if not hasattr(task, "name"):
        raise UserError(
            f"the adapter {card.adapter!r} of the task {entry.name} lacks the attribute name, as its context has it; "
            "update or uninstall its package"
        )
    for method in TASK_METHODS:
        if not callable(getattr(task, method, None)):
            raise UserError(
                f"the adapter {card.adapter!r} of the task {entry.name} lacks the method {method}() of "
                "evalharness.records.Task; update or uninstall its package"
            )
    return task, context


def load_task_context(task_name: str, sources: DataSources, options: Mapping[str, str]) -> TaskContext:
    """Checks the `--option`s, loads the data, and returns the context with which a task's adapter is constructed.

    Raises UserError for an unknown task or option, and for data that cannot be loaded.
    """
    card, entry = find_task(task_name)
    source = choose_data_source(entry, sources)
    check_task_options(entry.name, card, options)
    recipe_name, recipes = options.get("recipe", entry.default_recipe), card.recipes_of(entry)
    if recipe_name not in recipes:
        raise UserError(unknown_name_message(f"recipe of {task_name}", recipe_name, list(recipes)))
    split = options.get("split", entry.default_split)
    if split is not None and split not in entry.splits:
        raise UserError(unknown_name_message(f"split of {task_name}", split, list(entry.splits)))
    version = find_version(entry, options.get("version"), split)
    window = TimeWindow.parse(options.get("start"), options.get("end"))
    release = _select_release_name(entry, version, source, options.get("release"))
    data = load_records(card, entry, version.name, source, split, entry.releases[release] if release else None)
    records = select_records_of_split(entry, data.records, split)
    if card.date_field:
        records = window.records_in_window(records, card.date_field, f"version {version.name} of {task_name}")
    recorded_options = {key: value for key, value in options.items() if key in card_specific_option_names(card)}
    if options.get("extraction") == "robust" and recipes[recipe_name].robust_extraction:
        recorded_options["extraction"] = "robust"
    recipe = with_selected_extraction_rule(
        recipes[recipe_name], f"{task_name}, recipe {recipe_name}", options.get("extraction")
    )
    if "prompt" in options:
        recipe = with_templates_from_file(recipe, Path(options["prompt"]))
        recorded_options["prompt"] = str(Path(options["prompt"]).expanduser().resolve())
    return TaskContext(
        card=card,
        entry=entry,
        version=version,
        recipe_name=recipe_name,
        recipe=recipe,
        split=split,
        data=data,
        records=tuple(records),
        is_sample=source == "sample",
        options={**({"release": release} if release else {}), **recorded_options},
    )


def with_selected_extraction_rule(recipe: Recipe, recipe_name: str, extraction_option: str | None) -> Recipe:
    """Returns the recipe with the rule for extracting programs that `--option extraction=official|robust` selects.

    Without the option (`extraction_option` is None) the recipe is returned unchanged. Raises UserError if the recipe
    has no such rule; the message contains `recipe_name`.
    """
    if extraction_option not in (None, "official", "robust"):
        raise UserError(
            f"--option extraction={extraction_option} is not valid; use extraction=official or extraction=robust"
        )
    is_own = recipe.kind == "chat" and not recipe.robust_extraction
    if extraction_option is None or extraction_option == ("robust" if is_own else "official"):
        return recipe
    if extraction_option == "robust" and recipe.robust_extraction:
        return recipe.model_copy(update={"extraction": recipe.robust_extraction})
    if extraction_option == "official":
        raise UserError(f"{recipe_name} has no official extraction rule; leave out --option extraction=official")
    raise UserError(f"{recipe_name} has only the official extraction rule; leave out --option extraction=robust")


def _select_release_name(
    entry: TaskEntry, version: DataVersion, source: DataSource, release_name: str | None
) -> str | None:
    """Returns the name of the data release that `--option release=` selects, by default the task's default release.

    A release is a range of a data version's files. Returns None for data without releases. Raises UserError for an
    unknown release, and if `release_name` is given for data without releases.
    """
    if source == "sample" or len(version.file) <= 1:
        if release_name is not None:
            data_name = "the sample" if source == "sample" else f"version {version.name}"
            raise UserError(f"{data_name} of {entry.name} has no releases; leave out --option release={release_name}")
        return None
    if release_name is not None and release_name not in entry.releases:
        raise UserError(unknown_name_message(f"release of {entry.name}", release_name, list(entry.releases)))
    return release_name or entry.default_release
