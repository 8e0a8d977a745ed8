"""The `--option`s of tasks: their names, values, defaults and meaning."""

from collections.abc import Iterable, Mapping

from evalharness.data.cards.registry import card_path_in_task_name, find_task, load_cards
from evalharness.data.cards.schema import TaskCard, TaskEntry
from evalharness.errors import UserError
from evalharness.records.options import OptionDescription
from evalharness.util.suggest import unknown_name_message

COMMON_OPTIONS = ("version", "recipe", "split", "extraction", "prompt")
"""Options of every task."""
WINDOW_OPTIONS = ("start", "end")
"""Options of every task whose card has a `date_field`."""
DAY_FORMAT = "a day such as 2024-08-01"


def all_task_option_names(task_name: str) -> frozenset[str]:
    """Returns the names of the `--option`s of all known tasks.

    If `task_name` is a task in a user's card file (FILE.yaml), the options of that card are included.
    """
    cards = list(load_cards())
    if card_path_in_task_name(task_name):
        cards.append(find_task(task_name)[0])
    return frozenset(COMMON_OPTIONS).union(*map(card_specific_option_names, cards))


def card_specific_option_names(card: TaskCard) -> tuple[str, ...]:
    """Returns the names of the `--option`s that a card's tasks have besides those common to all tasks."""
    has_releases = any(entry.releases for entry in card.tasks.values())
    return (*card.options, *(("release",) if has_releases else ()), *(WINDOW_OPTIONS if card.date_field else ()))


def check_task_options(task_name: str, card: TaskCard, options: Mapping[str, str]) -> None:
    """Raises UserError for an `--option` that a task does not have, and for a value that the task's card forbids."""
    known_options = (*COMMON_OPTIONS, *card_specific_option_names(card))
    for key, value in options.items():
        if key not in known_options:
            raise UserError(unknown_name_message(f"option of task {task_name}", key, list(known_options)))
        allowed = card.options[key].values if key in card.options else ()
        if allowed and value not in allowed:
            raise UserError(unknown_name_message(f"{key} of task {task_name}", value, allowed))


def describe_task_options(card: TaskCard, entry: TaskEntry) -> list[OptionDescription]:
    """Returns the descriptions of a task's `--option`s, for the tables of `evalharness tasks` and the documentation."""
    descriptions = [
        _describe_option_with_choices("version", entry.versions, entry.default_version, "Version of the data"),
        _describe_option_with_choices(
            "recipe", card.recipes_of(entry), entry.default_recipe, "How prompts are made and programs extracted"
        ),
    ]
    descriptions.append(
        OptionDescription("prompt", "FILE", "", "Own templates: YAML with system and user or prompt, or one text")
    )
    if any(recipe.robust_extraction for recipe in card.recipes_of(entry).values()):
        help_text = "Recipes with an official rule: that one, or the project's own; see docs/extraction.md"
        descriptions.append(OptionDescription("extraction", "official, robust", "official", help_text))
    if entry.splits:
        descriptions.append(
            _describe_option_with_choices("split", entry.splits, entry.default_split or "", "Part of the problems")
        )
    if entry.releases:
        descriptions.append(
            _describe_option_with_choices(
                "release", entry.releases, entry.default_release or "", "Files of the data, by date of release"
            )
        )
    if card.date_field:
        descriptions += [
            OptionDescription("start", DAY_FORMAT, "", "Only problems that were published on this day or later"),
            OptionDescription(
                "end", DAY_FORMAT, "", "Only problems that were published before this day, or at 0:00 of it"
            ),
        ]
    return descriptions + [
        OptionDescription(name, ", ".join(option.values) or "text", option.default, option.help)
        for name, option in card.options.items()
    ]


def _describe_option_with_choices(name: str, choices: Iterable[str], default: str, meaning: str) -> OptionDescription:
    ordered = sorted(choices, key=lambda choice: choice != default)
    return OptionDescription(name, ", ".join(ordered), default, meaning)
