"""`--option extraction=` chooses between the official rule and the project's own; results name the rule."""

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.answer_forms import FORMS, fenced

from evalharness.adapters import open_task
from evalharness.data.cards import load_cards
from evalharness.errors import UserError
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.run import run
from evalharness.records import Completion

OFFICIAL_FAILS = f"```python\nt = int(input())\nprint(t)\n```\nSample:\n{fenced('3', '')}"


def program_of(task_name: str, answer: str, options: dict[str, str]) -> Any:
    task, _ = open_task(task_name, "sample", options)
    problem = task.problems()[0]
    return task.program(problem, Completion(problem.task_id, 0, answer))


def test_the_official_rule_is_the_default_and_the_robust_one_can_be_chosen() -> None:
    official = program_of("livecodebench", OFFICIAL_FAILS, {})
    assert (official.source, official.found_by) == ("3", "lines between the last two fences")
    assert program_of("livecodebench", OFFICIAL_FAILS, {"extraction": "official"}) == official
    robust = program_of("livecodebench", OFFICIAL_FAILS, {"extraction": "robust"})
    assert (robust.source.strip(), robust.found_by) == ("t = int(input())\nprint(t)", "fenced block 1 of 2")


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("humaneval", {"recipe": "chat", "extraction": "official"}, "recipe chat has no official extraction"),
        ("humaneval", {"extraction": "robust"}, "recipe completion has only the official extraction rule; leave out"),
        ("livecodebench", {"extraction": "own"}, "extraction=own is not valid; use extraction=official or"),
    ],
)
def test_a_choice_that_a_recipe_does_not_have_is_refused(task: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_task(task, "sample", options)


def test_every_chat_recipe_has_a_robust_extraction() -> None:
    own = {"fenced", "fenced_function"}
    recipes = [recipe for card in load_cards() for recipe in card.recipes.values() if recipe.kind == "chat"]
    assert recipes
    assert all(recipe.robust_extraction or recipe.extraction in own for recipe in recipes)


def test_manifest_row_and_summary_tell_the_rule() -> None:
    _, context = open_task("livecodebench", "sample", {"extraction": "robust"})
    described = context.describe()
    assert described["options"] == {"extraction": "robust"}
    assert described["recipe"]["extraction"] == "fenced_program"
    assert isinstance(described["extraction_version"], int)


@pytest.mark.docker
def test_a_run_counts_answers_by_rule(engine: None, tmp_path: Path) -> None:
    task, _ = open_task("humaneval", "sample", {"recipe": "chat"})
    problem, other = task.problems()[:2]
    assert problem.reference
    assert other.reference
    rows = [
        (problem, FORMS["usage after"](problem.reference, problem.entry_point)),
        (other, "I cannot help with that."),
        (other, FORMS["wrong test at the end"](other.reference, other.entry_point)),
    ]
    file = tmp_path / "samples.jsonl"
    file.write_text(
        "".join(f"{json.dumps({'task_id': row.task_id, 'text': text, 'form': 'answer'})}\n" for row, text in rows)
    )
    options = {"recipe": "chat", "samples": str(file)}
    summary = run(RunConfig("humaneval", "replay", data="sample", options=options), tmp_path / "run")
    assert summary["extraction"] == {"fenced block": 2, "nothing found": 1}
    verdicts = [json.loads(line) for line in (tmp_path / "run/verdicts.jsonl").read_text().splitlines()]
    assert sorted((row["extraction"], row["passed"]) for row in verdicts) == [
        ("fenced block", True),
        ("fenced block 1 of 2", True),
        ("nothing found", False),
    ]
