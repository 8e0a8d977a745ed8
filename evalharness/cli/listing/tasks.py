"""The command `evalharness tasks`, which lists the tasks (benchmarks), or describes the recipes and options of one."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from evalharness.cli.tables import make_table, print_option_descriptions, print_paragraphs, print_table
from evalharness.data.cards import ALL_TASKS, TaskCard, TaskEntry, expand_task_names, find_task, load_cards, task_groups
from evalharness.data.sources import DataSource, parse_data_source
from evalharness.data.versions import choose_data_source, find_version, version_files
from evalharness.errors import UserError
from evalharness.util.text import counted

TaskRow = tuple[str, ...]
HEADINGS = ("task", "problems", "recipe", "data", "image")


def tasks(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Task or card file to describe. [default: list all]")
    ] = None,
) -> None:
    """Lists the tasks and groups, or describes one task."""
    if name is not None:
        for number, task in enumerate(expand_task_names(name)):
            if number:
                print()
            print_task_description(*find_task(task))
        return
    table = make_table(*HEADINGS)
    for row in task_rows():
        table.add_row(*row)
    print_table(table, keep_words_whole=True)
    groups = task_groups()
    for group, members in groups.items():
        print_paragraphs([f"group {group}: {'every task' if group == ALL_TASKS else ', '.join(members)}"], indent="  ")
    print("`evalharness tasks NAME` describes recipes, versions, splits and other options.")


def task_rows() -> Iterator[TaskRow]:
    """Yields a row of `evalharness tasks` for each task; `HEADINGS` names the columns."""
    source, images = parse_data_source(None), sandbox_image_states()
    for card in load_cards():
        for entry in card.tasks.values():
            image = entry.image or card.image
            yield (
                entry.name,
                str(count_problems_of_task(entry) or ""),
                entry.default_recipe,
                describe_data_location(entry, choose_data_source(entry, source)),
                f"{image}: {images.get(image, 'no container engine')}" if image else "none needed",
            )


def print_task_description(card: TaskCard, task_entry: TaskEntry) -> None:
    """Prints a task's official grader, recipes and options, and the options of the sandbox."""
    from evalharness.data.cards.task_options import describe_task_options
    from evalharness.sandbox.factory import DESCRIBED_OPTIONS

    grading = card.grading
    facts = [
        counted(problems, "problem") if (problems := count_problems_of_task(task_entry)) else "",
        f"image {task_entry.image or card.image}" if task_entry.image or card.image else "no program runs",
        f"licence {card.licence}" if card.licence else "",
        f"graded as {grading.repository}, {grading.function}" if grading else "no official grader",
    ]
    heading = (
        f"{task_entry.name}: {task_entry.title}. {card.description}"
        if card.description
        else f"{task_entry.name}: {task_entry.title}"
    )
    print_paragraphs([heading, "; ".join(filter(None, facts))])
    print()
    table = make_table("recipe", "kind", "samples", "temperature", "token limit")
    recipes = sorted(card.recipes_of(task_entry).items(), key=lambda item: item[0] != task_entry.default_recipe)
    for name, recipe in recipes:
        table.add_row(name, recipe.kind, str(recipe.n), f"{recipe.temperature:g}", str(recipe.max_new_tokens))
    print_table(table, keep_words_whole=True)
    print_paragraphs((f"{name}: {recipe.description}" for name, recipe in recipes if recipe.description), indent="  ")
    print()
    print_option_descriptions(describe_task_options(card, task_entry), f"task {task_entry.name}")
    print()
    print("options of the sandbox:")
    print_option_descriptions(DESCRIBED_OPTIONS, "the sandbox")


def count_problems_of_task(entry: TaskEntry) -> int | None:
    """Returns the number of problems in a task's default version and split; None if its card does not state it."""
    first_and_last = entry.splits.get(entry.default_split or "")
    if isinstance(first_and_last, tuple):
        return first_and_last[1] - first_and_last[0] + 1
    problems = find_version(entry, None).problems
    return problems if isinstance(problems, int) else None


def describe_data_location(entry: TaskEntry, data_source: DataSource) -> str:
    """Returns where the data of a task's default version are.

    It is one of: `with the card` (beside the YAML file that defines the task), `here` (in the folder `data_source`),
    `on the hub`, `missing`.
    """
    version = find_version(entry, None)
    if version.shipped:
        return "with the card"
    if isinstance(data_source, Path) and all(path.exists() for path in version_files(entry, version, data_source)):
        return "here"
    published = version.hub is not None or version.evalplus is not None
    return "on the hub" if published else "missing"


def sandbox_image_states() -> Mapping[str, str]:
    """Returns the state of each sandbox image, such as "built", by its name; empty without a container engine."""
    from evalharness.sandbox.engines import docker as docker_engine
    from evalharness.sandbox.engines import images

    try:
        client = docker_engine.connect_to_engine()
    except UserError:
        return {}
    return {
        name: "built" if image else "needs a registry" if images.needs_image_registry(name) else "built on first use"
        for name, image in images.sandbox_image_ids(client)
    }
