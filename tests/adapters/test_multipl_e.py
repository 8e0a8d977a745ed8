"""MultiPL-E: prompts, programs, whole programs of a samples file, and splits in separate files."""

from typing import Any

import pytest
from helpers.task_data import OpenTask

from evalharness.adapters import open_task
from evalharness.data.cards import expand_task_names, load_cards
from evalharness.data.versions import find_version
from evalharness.errors import UserError
from evalharness.records import CommandProgram, Completion, Execution, Outcome
from evalharness.sandbox.languages import languages_by_image

LANGUAGES = [
    *("cpp", "cs", "d", "elixir", "go", "hs", "java", "jl", "js", "lua", "ml"),
    *("php", "pl", "py", "r", "rb", "rkt", "rs", "scala", "sh", "swift", "ts"),
]
NEW = {"elixir", "hs", "ml"}
PROMPT = "\n//Twice x.\nfunction f(x){\n"
RECORD = {"name": "HumanEval_1_f", "language": "js", "prompt": PROMPT, "tests": "test();\n", "stop_tokens": ["\n//"]}
HEADERS = "#include<stdlib.h>\n#include<vector>\n\n"
NEVER = ("\nfunction f() {}", "/* more */", ";")


def record(**changes: Any) -> dict[str, Any]:
    return {**RECORD, **changes}


def text_of(
    open_with: OpenTask, completion: str, form: Any = "answer", task: str = "multipl-e-js", **changes: Any
) -> str:
    adapter, problems = open_with(task, [record(**changes)])
    program = adapter.program(problems["HumanEval_1_f"], Completion("HumanEval_1_f", 0, completion, form=form))
    assert program is not None
    assert program.checks is not None
    return f"{program.source}\n{program.checks.text}"


def test_every_language_of_the_data_is_a_task_with_its_own_image() -> None:
    (card,) = [card for card in load_cards() if card.adapter == "multipl-e"]
    assert list(card.tasks) == [f"multipl-e-{name}" for name in LANGUAGES]
    for name, entry in zip(LANGUAGES, card.tasks.values(), strict=True):
        assert languages_by_image()[entry.image].code == name
        assert list(entry.versions) == ["2024-04"] if name in NEW else ["2024-04", "2023-06"]
        for version in entry.versions:
            for split in ("humaneval", "mbpp"):
                (file,) = find_version(entry, version, split).file
                assert file.startswith(f"multipl_e/{version}/{split}-{name}-reworded.json")
    hub = find_version(card.tasks["multipl-e-cpp"], "2024-04", "mbpp").hub
    assert hub is not None
    assert hub.config == "mbpp-cpp"
    assert expand_task_names("multipl-e") == [f"multipl-e-{name}" for name in ("cpp", "java", "js", "php", "sh", "ts")]


def test_only_the_models_prompt_is_stripped(open_with: OpenTask) -> None:
    adapter, problems = open_with("multipl-e-js", [record()])
    problem = problems["HumanEval_1_f"]
    assert problem.prompt.text == PROMPT.strip()
    assert problem.prompt.stops == ("\n//",)
    assert problem.reference is None
    assert text_of(open_with, "  return 2 * x\n}") == f"{PROMPT}  return 2 * x\n}}\ntest();\n"
    assert text_of(open_with, "x", "completion") == f"{PROMPT}x\ntest();\n"
    assert text_of(open_with, "x", "solution") == "x\ntest();\n"
    program = adapter.program(problem, Completion("HumanEval_1_f", 0, ""))
    assert program is not None
    assert (program.image, type(program), program.limits.time_s) == ("js", CommandProgram, 5)


def test_the_recipe_has_the_official_sampling_parameters(open_with: OpenTask) -> None:
    _, context = open_task("multipl-e-js", "sample", {})
    recipe = context.recipe
    assert (recipe.n, recipe.temperature, recipe.top_p, recipe.max_new_tokens) == (20, 0.2, 0.95, 512)


def test_chat_prompt_names_the_language_and_has_no_stops(open_with: OpenTask) -> None:
    _, problems = open_with("multipl-e-js", [record()], recipe="chat")
    prompt = problems["HumanEval_1_f"].prompt
    assert "JavaScript function" in prompt.messages[0].content
    assert PROMPT.strip() in prompt.messages[0].content
    assert prompt.stops == ()


@pytest.mark.parametrize("before", ["", HEADERS])
@pytest.mark.parametrize("after", ["", "\n", "?>", "\n?>\n"])
def test_a_whole_program_runs_unchanged(before: str, after: str, open_with: OpenTask) -> None:
    program = f"{before}{PROMPT}  return exit\n}}\ntest();{after}"
    assert text_of(open_with, program, "program") == program
    adapter, problems = open_with("multipl-e-js", [record()])
    run = adapter.program(problems["HumanEval_1_f"], Completion("HumanEval_1_f", 0, program, form="program"))
    assert run is not None
    assert run.checks is not None
    assert run.checks.stem == before + PROMPT
    assert run.source.removeprefix(run.checks.stem) == "  return exit\n}"


@pytest.mark.parametrize("after", NEVER)
def test_a_whole_program_must_end_with_its_tests(after: str, open_with: OpenTask) -> None:
    with pytest.raises(UserError, match="does not end with this problem's tests; check --task, --option version"):
        text_of(open_with, f"{PROMPT}}}\ntest();{after}", "program")


def test_a_whole_program_must_have_its_problems_tests(open_with: OpenTask) -> None:
    for program in ("", "test();", f"{PROMPT}}}\n// test();", f"{PROMPT}}}\nother();"):
        with pytest.raises(UserError, match="does not end with this problem's tests"):
            text_of(open_with, program, "program")


def test_only_known_headers_count_as_part_of_the_prompt(open_with: OpenTask) -> None:
    adapter, problems = open_with("multipl-e-js", [record()])
    program = f"#define assert(x)\n{PROMPT}}}\ntest();"
    run = adapter.program(problems["HumanEval_1_f"], Completion("HumanEval_1_f", 0, program, form="program"))
    assert run is not None
    assert run.checks is not None
    assert run.checks.stem == ""


def test_a_bundled_solution_is_the_reference(open_with: OpenTask) -> None:
    _, problems = open_with("multipl-e-js", [record(canonical_solution="  return 2 * x;\n}")])
    assert problems["HumanEval_1_f"].reference == f"{PROMPT}  return 2 * x;\n}}"


def test_verdicts(open_with: OpenTask) -> None:
    adapter, _ = open_with("multipl-e-cpp", [record(language="cpp")])
    completion = Completion("HumanEval_1_f", 0, "")
    built, ran, bad = Outcome("passed"), Outcome("passed"), Outcome("error", "no semicolon")
    assert adapter.verdict(completion, Execution({"compile": built, "run": ran})).passed
    verdict = adapter.verdict(completion, Execution({"compile": bad}))
    assert (verdict.passed, verdict.status, verdict.detail) == (False, "error", "no semicolon")


def test_the_commands_are_part_of_the_manifest() -> None:
    _, context = open_task("multipl-e-ts", "sample", {})
    commands = context.describe()["commands"]
    assert [step["command"][0] for step in commands["steps"]] == ["tsc", "node"]
    _, context = open_task("humaneval", "sample", {})
    assert "commands" not in context.describe()


def test_each_split_has_its_own_file(open_with: OpenTask) -> None:
    _, problems = open_with("multipl-e-js", [record(name="mbpp_3_is_not_prime")], split="mbpp")
    assert list(problems) == ["mbpp_3_is_not_prime"]
    with pytest.raises(UserError, match="unknown split of multipl-e-js 'mbp'; did you mean mbpp"):
        open_task("multipl-e-js", "sample", {"split": "mbp"})
    with pytest.raises(UserError, match="the bundled sample of multipl-e-js has no split 'mbpp'; leave out --option"):
        open_task("multipl-e-js", "sample", {"split": "mbpp"})


def test_missing_versions_and_samples_are_user_errors() -> None:
    with pytest.raises(UserError, match="unknown version of multipl-e-hs '2023-06'"):
        open_task("multipl-e-hs", "sample", {"version": "2023-06"})
    with pytest.raises(UserError, match="no sample data are bundled for multipl-e-rs"):
        open_task("multipl-e-rs", "sample", {})
