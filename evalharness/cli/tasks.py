"""The command `tasks`: the tasks, and what is available of each on this machine."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from evalharness.cli.common import make_table, print_table
from evalharness.data.cards import ALL_TASKS, TaskEntry, load_cards, task_groups
from evalharness.data.sources import DataSource, resolve_source
from evalharness.data.versions import find_version, version_files
from evalharness.errors import UserError

TaskRow = tuple[str, ...]
HEADINGS = ("task", "problems", "versions", "recipes", "splits", "data", "image")


def tasks() -> None:
    """Lists the tasks and groups, their data and their images."""
    table = make_table(*HEADINGS)
    for row in task_rows():
        table.add_row(*row)
    print_table(table)
    print("The first of several versions, recipes or splits is the default.")


def task_rows() -> Iterator[TaskRow]:
    """Yields a row for each task and each group, with the columns `HEADINGS`."""
    source, images = resolve_source(None), image_states()
    for card in load_cards():
        for entry in card.tasks.values():
            image = entry.image or card.image
            yield (
                entry.name,
                str(problem_count(entry)),
                default_first(entry.versions, entry.default_version),
                default_first(card.recipes_of(entry), entry.default_recipe),
                default_first(entry.splits, entry.default_split),
                data_state(entry, source),
                f"{image}: {images.get(image, 'no container engine')}" if image else "none needed",
            )
    for group, members in task_groups().items():
        yield (group, "", "every task" if group == ALL_TASKS else f"group of {', '.join(members)}", "", "", "", "")


def problem_count(entry: TaskEntry) -> int:
    """Returns the number of problems in the default split of the default version."""
    first_and_last = entry.splits.get(entry.default_split or "")
    if isinstance(first_and_last, tuple):
        return first_and_last[1] - first_and_last[0] + 1
    problems = find_version(entry, None).problems
    assert isinstance(problems, int)
    return problems


def data_state(entry: TaskEntry, source: DataSource) -> str:
    """Returns where the data of the default version are: `here` (in `source`), `on the hub`, or `missing`."""
    version = find_version(entry, None, None, source)
    if isinstance(source, Path) and all(path.exists() for path in version_files(entry, version, source)):
        return "here"
    published = version.hub is not None or version.evalplus is not None
    return "on the hub" if published else "missing"


def image_states() -> Mapping[str, str]:
    """Returns each image's state by name; empty without a container engine."""
    from evalharness.sandbox.engines import docker as docker_engine
    from evalharness.sandbox.engines import images

    try:
        client = docker_engine.connect()
    except UserError:
        return {}
    return {
        name: "built" if image else "needs a registry" if images.needs_registry(name) else "built on first use"
        for name, image in images.built_images(client)
    }


def default_first(names: Iterable[str], default: str | None) -> str:
    """Returns the names, separated by commas, the default one first."""
    return ", ".join(sorted(names, key=lambda name: name != default))
