"""Plug-ins through the command line: cards and data in a package, and broken ones, which harm nothing else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.plugin_packages import install

Command = Callable[..., Any]

CARD = """
name: sums
data: sums.jsonl
fields: [task_id, prompt, tests, solution]
recipe: {prompt: "{prompt}"}
"""
RECORDS = (
    json.dumps(
        {
            "task_id": "s/0",
            "prompt": "def add(a, b):\n",
            "tests": "assert add(1, 2) == 3",
            "solution": "def add(a, b):\n    return a + b\n",
        }
    )
    + "\n"
)
ADAPTER = """
class Task:
    def __init__(self, context):
        self.context, self.name = context, context.name
    def problems(self):
        {problems}
    def program(self, problem, completion):
        return None
"""
FULL_CARD = """
adapter: {adapter}
recipes:
  plain: {{kind: completion, fields: {{prompt: "{{prompt}}"}}, extraction: as_it_is, max_new_tokens: 9}}
tasks:
  {adapter}-task: {{versions: {{v1: {{shipped: data.jsonl, fields: [task_id]}}}}}}
"""
FILES = {"sums_pack/__init__.py": "", "sums_pack/cards/sums.yaml": CARD, "sums_pack/cards/sums.jsonl": RECORDS}


@pytest.mark.docker
def test_a_package_with_card_and_data_runs_with_a_broken_one_beside_it(
    site: Path, cli: Command, engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALHARNESS_DATA", str(tmp_path))
    install(site, "sums-pack", FILES, {"evalharness.cards": {"sums": "sums_pack"}})
    broken = {"broken_pack.py": "import no_such_module\n"}
    groups = ("cards", "adapters", "backends", "executors", "sandboxes")
    install(site, "broken-pack", broken, {f"evalharness.{group}": {"broken": "broken_pack"} for group in groups})
    done = cli("run", "--task", "sums", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["metrics"]["pass@1"]["value"] == 1
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if "broken" in line]
    assert lines == [
        "note: plug-in disabled: package broken-pack: ModuleNotFoundError: No module named 'no_such_module'; fix or "
        "uninstall it"
    ]


def test_commands_that_list_plugins_leave_a_broken_one_out(site: Path, cli: Command) -> None:
    broken = {"broken_pack.py": "raise SystemExit('gone')\n"}
    install(site, "broken-pack", broken, {"evalharness.backends": {"broken": "broken_pack:Backend"}})
    done = cli("backends")
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert "note: plug-in disabled: package broken-pack: SystemExit: gone" in done.stderr
    assert "openai" in done.stdout
    done = cli("run", "--task", "humaneval", "--data", "sample", "--backend", "broken")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: backend broken (package broken-pack) cannot be loaded: SystemExit: gone; fix or uninstall its package\n"
    )


@pytest.mark.parametrize(
    ("value", "files"),
    [
        ("sums_pack", FILES),
        ("sums_pack.cards", {**FILES, "sums_pack/cards/__init__.py": ""}),
        ("sums_pack:PATH", {**FILES, "sums_pack/__init__.py": "PATH = __file__.replace('__init__.py', 'cards')"}),
        ("sums_pack:NAME", {**FILES, "sums_pack/__init__.py": "NAME = 'sums_pack.cards'"}),
        (
            "sums_pack:card",
            {
                **FILES,
                "sums_pack/__init__.py": "from importlib.resources import files\n"
                "def card(): return files('sums_pack').joinpath('cards/sums.yaml')",
            },
        ),
        (
            "sums_pack",
            {
                "sums_pack/__init__.py": "",
                "sums_pack/sums.yaml": CARD.replace("sums.jsonl", "sums_pack:data/sums.jsonl"),
                "sums_pack/data/sums.jsonl": RECORDS,
            },
        ),
    ],
    ids=["package", "subpackage", "path", "name", "function", "resource"],
)
def test_an_entry_point_may_name_a_module_a_package_or_a_path(
    value: str, files: dict[str, str], site: Path, cli: Command
) -> None:
    install(site, "sums-pack", files, {"evalharness.cards": {"sums": value}})
    done = cli("tasks", "sums")
    assert (done.returncode, done.stderr) == (0, "")
    assert "sums" in done.stdout
    from evalharness.adapters import open_task

    _, context = open_task("sums", "hub", {})
    assert context.data.is_official
    assert [record["task_id"] for record in context.records] == ["s/0"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"cards/sums.yaml": CARD, "cards/bad.yaml": "name: bad\n"},
            ["bad.yaml: fix these keys: data: missing", "recipe: missing"],
        ),
        ({"cards/sums.yaml": CARD, "cards/bad.yaml": "a: ["}, ["bad.yaml: not valid YAML"]),
        ({"cards/sums.yaml": CARD, "cards/t.yaml": CARD.replace("sums", "mbpp")}, ["t.yaml", "'mbpp' is used more"]),
        ({"cards/sums.yaml": CARD, "cards/bad.yaml": b"\xff".decode("latin-1")}, ["bad.yaml"]),
    ],
)
def test_a_broken_card_disables_itself_alone(files: dict[str, str], words: list[str], site: Path, cli: Command) -> None:
    install(site, "sums-pack", {"sums_pack/__init__.py": "", **{f"sums_pack/{k}": v for k, v in files.items()}},
            {"evalharness.cards": {"sums": "sums_pack"}})  # fmt: skip
    done = cli("tasks")
    assert done.returncode == 0
    assert "sums" in done.stdout
    [line] = done.stderr.splitlines()
    assert line.startswith("note: plug-in disabled: package sums-pack: ")
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    ("adapter", "code", "lines"),
    [
        (
            ADAPTER.format(problems="return []"),
            2,
            ["error: the adapter 'odd' of the task odd-task lacks the method verdict()", "uninstall its package"],
        ),
        ("Task = 3", 2, ["error: the adapter 'odd' of the task odd-task is not a class"]),
        (
            ADAPTER.format(problems="return 1 / 0") + "    def verdict(self, completion, execution): ...\n",
            3,
            [
                "package odd-pack crashed: ZeroDivisionError at ",
                "odd_pack.py, line 6: division by zero; fix or uninstall this plug-in",
            ],
        ),
        (
            ADAPTER.format(problems="return object().x").replace("self.name", "self.other")
            + "    def verdict(self, completion, execution): ...\n",
            2,
            ["error: the adapter 'odd' of the task odd-task lacks the attribute name"],
        ),
    ],
    ids=["no-verdict", "no-class", "crash", "no-name"],
)
def test_an_adapter_that_is_wrong_ends_with_one_line_and_never_with_1(
    adapter: str, code: int, lines: list[str], site: Path, cli: Command
) -> None:
    files = {"odd_pack.py": adapter, "odd.yaml": FULL_CARD.format(adapter="odd"), "data.jsonl": '{"task_id": "1"}\n'}
    files["odd_cards.py"] = "PATH = __file__.replace('odd_cards.py', 'odd.yaml')"
    points = {"evalharness.adapters": {"odd": "odd_pack:Task"}, "evalharness.cards": {"odd": "odd_cards:PATH"}}
    install(site, "odd-pack", files, points)
    done = cli("run", "--task", "odd-task", "--out", "out")
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert all(line in done.stderr.splitlines()[-1] for line in lines), done.stderr
    assert ("Traceback" in done.stderr) == (code == 3)


def test_the_name_of_another_backend_cannot_be_taken(site: Path, cli: Command) -> None:
    install(site, "thief", {"thief.py": "openai = object()"}, {"evalharness.backends": {"openai": "thief:openai"}})
    done = cli("backends")
    assert done.returncode == 0
    [line] = done.stderr.splitlines()
    assert line.startswith("note: plug-in disabled: package thief: evalharness itself already has the name")
