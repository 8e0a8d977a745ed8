"""Task cards: bundled cards are valid, errors name file and field, and plug-ins can add cards."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import yaml

from evalharness.data import cards
from evalharness.data.cards import registry
from evalharness.data.versions import find_version
from evalharness.errors import UserError
from evalharness.util import paths, plugins

MINIMAL: dict[str, Any] = {
    "adapter": "adding",
    "family": "Adding",
    "description": "Sums.",
    "image": "python",
    "licence": "Apache-2.0",
    "grading": {"repository": "someone/adding", "commit": "abc", "function": "grade.py check"},
    "recipes": {
        "plain": {
            "kind": "completion",
            "description": "d",
            "fields": {"prompt": "{prompt}"},
            "extraction": "none",
            "max_new_tokens": 8,
        }
    },
    "rules": {},
    "deviations": [],
    "tasks": {
        "adding": {
            "title": "Adding",
            "default_recipe": "plain",
            "default_version": "v1",
            "versions": {
                "v1": {
                    "problems": 1,
                    "fingerprint": f"sha256:{'0' * 64}",
                    "file": "adding.jsonl",
                    "fields": ["task_id"],
                }
            },
        }
    },
}

PLUGIN_FOLDER: list[Path] = []


def plugin_folder() -> Path:
    """The function that a plug-in's entry point names."""
    return PLUGIN_FOLDER[-1]


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[object], None]]:
    """Installs a card as if another package provided it."""
    point = EntryPoint("more", f"{__name__}:plugin_folder", "evalharness.cards")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == "evalharness.cards" else [])
    PLUGIN_FOLDER.append(tmp_path)
    cards.load_cards.cache_clear()
    plugins.report_disabled_plugin.cache_clear()

    def install(card: object) -> None:
        (tmp_path / "adding.yaml").write_text(yaml.safe_dump(card))

    yield install
    PLUGIN_FOLDER.pop()
    cards.load_cards.cache_clear()


def changed(path: str, value: Any) -> dict[str, Any]:
    """Returns the minimal card with the entry at a dotted path set, or removed if the value is None."""
    card = deepcopy(MINIMAL)
    *parents, last = path.split(".")
    parent = card
    for key in parents:
        parent = parent[key]
    if value is None:
        del parent[last]
    else:
        parent[last] = value
    return card


def test_bundled_tasks_and_groups() -> None:
    everything = set(cards.expand_task_names("all"))
    assert everything >= {"humaneval", "mbpp", "humaneval-plus", "mbpp-plus"}
    assert cards.task_groups()["evalplus"] == ("humaneval-plus", "mbpp-plus")
    card, entry = cards.find_task("mbpp")
    assert (card.adapter, card.image, entry.name) == ("mbpp", "python", "mbpp")
    assert entry.splits[entry.default_split or ""] == (11, 510)
    assert entry.versions["full"].name == "full"


def test_a_version_may_have_one_file_per_split(
    plugin: Callable[[object], None], caplog: pytest.LogCaptureFixture
) -> None:
    card = changed("tasks.adding.values", {"lang": "x"})
    task = card["tasks"]["adding"]
    task |= {"splits": {"a": "", "b": ""}, "default_split": "a"}
    task["versions"]["v1"] |= {"file": "{lang}-{split}.jsonl", "problems": {"a": 1, "b": 2}}
    task["versions"]["v1"]["fingerprint"] = {"a": f"sha256:{'1' * 64}", "b": f"sha256:{'2' * 64}"}
    plugin(card)
    _, entry = cards.find_task("adding")
    split_b = find_version(entry, None, "b")
    assert (split_b.file, split_b.problems, split_b.fingerprint) == (("x-b.jsonl",), 2, f"sha256:{'2' * 64}")
    assert find_version(entry, None).problems == 1
    task["versions"]["v1"]["problems"] = {"a": 1}
    plugin(card)
    cards.load_cards.cache_clear()
    with pytest.raises(UserError, match="unknown task 'adding'"):
        cards.find_task("adding")
    assert "the keys 'problems' and 'fingerprint' of version v1 need a value for each split: a, b" in caplog.text


def test_bundled_images_exist() -> None:
    for card in cards.load_cards():
        for entry in card.tasks.values():
            image = entry.image or card.image
            assert not image or (paths.bundled_folder("sandboxes") / image / "Dockerfile").is_file(), entry.name


def test_a_card_can_be_written_to_a_manifest() -> None:
    card, _ = cards.find_task("humaneval")
    assert "folder" not in card.model_dump(mode="json")


@pytest.mark.parametrize(
    ("names", "tasks"),
    [
        ("mbpp", ["mbpp"]),
        ("mbpp, humaneval,mbpp", ["mbpp", "humaneval"]),
        ("mbpp-plus,evalplus", ["mbpp-plus", "humaneval-plus"]),
    ],
)
def test_expand_keeps_order_and_drops_duplicates(names: str, tasks: list[str]) -> None:
    assert cards.expand_task_names(names) == tasks


def test_a_task_may_have_only_some_of_the_cards_recipes() -> None:
    card, entry = cards.find_task("fim-multi-line")
    assert "first-line" in card.recipes
    assert "first-line" not in card.recipes_of(entry)
    assert "first-line" in card.recipes_of(cards.find_task("fim-single-line")[1])
    card, entry = cards.find_task("humaneval")
    assert card.recipes_of(entry) == card.recipes


def test_an_unknown_name_suggests_similar_names() -> None:
    with pytest.raises(UserError, match="unknown task 'humanevl'; did you mean humaneval"):
        cards.find_task("humanevl")
    with pytest.raises(UserError, match="unknown task 'evalpls'; did you mean evalplus"):
        cards.expand_task_names("mbpp,evalpls")
    with pytest.raises(UserError, match="--task is empty"):
        cards.expand_task_names(" , ")


def test_a_plugin_adds_a_card(plugin: Callable[[object], None]) -> None:
    plugin(MINIMAL)
    card, entry = cards.find_task("adding")
    assert card.recipes["plain"].max_new_tokens == 8
    assert entry.versions["v1"].file == ("adding.jsonl",)
    assert "adding" in cards.expand_task_names("all")


def test_a_plugin_card_needs_no_grader_family_licence_or_defaults(plugin: Callable[[object], None]) -> None:
    card = deepcopy(MINIMAL)
    for key in ("family", "description", "licence", "grading", "rules", "deviations"):
        del card[key]
    task = card["tasks"]["adding"]
    for key in ("title", "default_recipe", "default_version"):
        del task[key]
    del task["versions"]["v1"]["problems"], task["versions"]["v1"]["fingerprint"]
    plugin(card)
    read, entry = cards.find_task("adding")
    assert (entry.title, entry.default_recipe, entry.default_version) == ("adding", "plain", "v1")
    assert (read.grading, read.deviations) == (None, ())


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("adapter", None, "adapter: missing"),
        ("grading.commit", None, "grading.commit: missing"),
        ("licens", "MIT", "licens: unknown key; did you mean licence?"),
        ("recipes.plain.max_new_token", 1, "recipes.plain.max_new_token: unknown key; did you mean max_new_tokens?"),
        ("recipes.plain.kind", "essay", "recipes.plain.kind: "),
        ("recipes.plain.kind", "chat", "a recipe of kind 'chat' needs a prompt template; add the key 'user'"),
        ("recipes.plain.fields", {}, "a recipe of kind 'completion' needs a prompt template; add the key 'prompt'"),
        ("recipes.plain.max_new_tokens", 0, "recipes.plain.max_new_tokens: "),
        ("recipes.plain.kind", "infill", "recipes.plain: a recipe of kind 'infill'"),
        ("recipes.plain.middle", "free", "recipes.plain: a recipe of kind 'infill'"),
        ("recipes.plain.middle", "long", "recipes.plain.middle: "),
        ("tasks.adding.recipes", ["chatty"], "tasks.adding.recipes is 'chatty'"),
        ("tasks.adding.versions.v1.fields", None, "tasks.adding.versions.v1.fields: missing"),
        (
            "tasks.adding.versions.v1.file",
            None,
            "tasks.adding.versions.v1: a data version needs exactly one of the keys 'file' and 'shipped'",
        ),
        ("tasks.adding.versions.v1.fingerprint", "sha256:1", "tasks.adding.versions.v1.fingerprint: "),
        ("tasks.adding.default_version", "v2", "default_version is 'v2'"),
        ("tasks.adding.default_recipe", "chatty", "tasks.adding.default_recipe is 'chatty'"),
        ("tasks.adding.splits", {"test": [1, 2]}, "default_split is None"),
        ("tasks", {}, "tasks: "),
        ("tasks", "adding", "tasks: "),
        ("groups", {"sums": ["subtracting"]}, "groups.sums is 'subtracting'"),
        ("groups", {"all": ["adding"]}, "'all' is reserved for the group of all tasks"),
        ("groups", {"adding": ["adding"]}, "'adding' is used more than once"),
        ("groups", {"mbpp": ["adding"]}, "'mbpp' is used more than once"),
    ],
)
def test_a_malformed_plugin_card_is_disabled_with_one_line_that_names_file_and_field(
    plugin: Callable[[object], None], caplog: pytest.LogCaptureFixture, path: str, value: Any, message: str
) -> None:
    plugin(changed(path, value))
    tasks = cards.expand_task_names("all")
    assert "mbpp" in tasks
    assert "adding" not in tasks
    [line] = [record.getMessage() for record in caplog.records]
    assert message in line
    assert line.startswith("note: plug-in disabled: entry point more: ")
    assert "adding.yaml" in line
    assert "\n" not in line


def test_a_malformed_bundled_card_names_file_and_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tasks").mkdir()
    monkeypatch.setattr(registry, "bundled_folder", tmp_path.joinpath)
    for text, message in [
        ("adapter: x\ntasks: {}\n", "recipes: missing"),
        ("a: [", "not valid YAML"),
        ("- a\n", "write the YAML as a mapping of keys to values"),
        ("a: 1\n", "add the key 'name'"),
    ]:
        (tmp_path / "tasks" / "broken.yaml").write_text(text)
        cards.load_cards.cache_clear()
        with pytest.raises(ValueError, match=r"broken\.yaml.*" + message):
            cards.load_cards()
    cards.load_cards.cache_clear()


def test_bundled_folders_of_a_wheel_take_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "evalharness"
    (package / "_bundled" / "results" / "published").mkdir(parents=True)
    (tmp_path / "site" / "tasks").mkdir()
    monkeypatch.setattr(paths, "_PACKAGE", package)
    assert paths.bundled_folder("results/published") == package / "_bundled" / "results" / "published"
    assert paths.bundled_folder("tasks") == tmp_path / "site" / "tasks"
    with pytest.raises(FileNotFoundError, match="'sandboxes'"):
        paths.bundled_folder("sandboxes")
