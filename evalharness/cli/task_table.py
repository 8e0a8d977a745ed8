"""What there is to run, and what of it is at hand: the table of `evalharness tasks`."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from evalharness.data.cards import EVERYTHING, TaskEntry, groups, load_cards
from evalharness.data.loading import Source, files_of, find_version, resolve_source
from evalharness.errors import UserError

Row = tuple[str, ...]
TASK_HEADINGS = ("task", "problems", "versions", "recipes", "splits", "data", "image")


def task_rows() -> Iterator[Row]:
    """A row for each task and each group. Of several names in a cell, the first is the default."""
    source, images = resolve_source(None), image_states()
    for card in load_cards():
        for entry in card.tasks.values():
            image = entry.image or card.image
            yield (
                entry.name,
                str(problem_count(entry)),
                first_first(entry.versions, entry.default_version),
                first_first(card.recipes_of(entry), entry.default_recipe),
                first_first(entry.splits, entry.default_split),
                data_state(entry, source),
                f"{image}: {images.get(image, 'no container engine')}" if image else "none needed",
            )
    for group, members in groups().items():
        yield (group, "", "every task" if group == EVERYTHING else f"group of {', '.join(members)}", "", "", "", "")


def problem_count(entry: TaskEntry) -> int:
    """How many problems a run without further options has: of the default version, those of the default split."""
    numbers = entry.splits.get(entry.default_split or "")
    if isinstance(numbers, tuple):
        return numbers[1] - numbers[0] + 1
    whole = find_version(entry, None).problems
    assert isinstance(whole, int)
    return whole


def data_state(entry: TaskEntry, source: Source) -> str:
    """Where the data are that a run without further options would take: here, on the hub, or missing."""
    version = find_version(entry, None, None, source)
    if isinstance(source, Path) and all(path.exists() for path in files_of(entry, version, source)):
        return "here"
    published = version.hub is not None or version.evalplus is not None
    return "on the hub" if published else "missing"


def image_states() -> Mapping[str, str]:
    """Each image's state by name; empty where no container engine answers."""
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


def first_first(names: Iterable[str], first: str | None) -> str:
    """The names, the default one first."""
    return ", ".join(sorted(names, key=lambda name: name != first))
