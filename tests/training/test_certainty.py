from pathlib import Path

import pytest

import evalharness
from evalharness.errors import UserError
from evalharness.training.certainty import (
    generate_passing_answers,
    generate_problems_with_tests,
    has_no_benchmark_overlap,
    load_or_generate_certainty_corpus,
)
from evalharness.training.corpus.build import find_benchmark_folders, load_or_build_corpus
from evalharness.training.corpus.decontamination import collect_benchmark_excerpts
from evalharness.training.recipe import CertaintySettings, Recipe, read_recipe
from evalharness.training.trainer import Trainer

RECIPES = Path(evalharness.__file__).parent / "training" / "recipes"
TINY = read_recipe(RECIPES / "tiny.yaml")


def quiet(text: str) -> None:
    pass


def test_reference_solutions_pass_the_tests() -> None:
    for problem, tests in generate_problems_with_tests(20, seed=9):
        assert problem.reference is not None
        assert problem.reference.startswith(problem.prefix)
        exec(problem.reference + "\n" + tests, {})


def test_answers_that_overlap_with_a_benchmark_are_rejected() -> None:
    prompt, answer = "def area(width, height):\n", "    return width * height\n"
    assert has_no_benchmark_overlap(
        (prompt, answer), collect_benchmark_excerpts(["def volume(width, height, depth): pass"])
    )
    assert not has_no_benchmark_overlap((prompt, answer), collect_benchmark_excerpts(["def area(width, height): ..."]))
    whole = "\n".join(f"    value_{number} = {number} + 1" for number in range(9))
    assert not has_no_benchmark_overlap((prompt, whole), collect_benchmark_excerpts([whole]))


def test_a_folder_without_benchmark_data_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for root in (str(tmp_path), str(tmp_path / "nowhere"), ""):
        monkeypatch.setenv("EVALHARNESS_DATA", root)
        with pytest.raises(UserError, match="EVALHARNESS_DATA to their folder"):
            find_benchmark_folders()
    (tmp_path / "a.jsonl").write_text("{}\n")
    monkeypatch.setenv("EVALHARNESS_DATA", str(tmp_path))
    assert find_benchmark_folders()[0] == tmp_path


@pytest.mark.docker
@pytest.mark.slow
def test_too_few_passing_answers_are_an_error(tmp_path: Path) -> None:
    recipe = Recipe.model_validate(TINY.model_dump() | {"steps": 1})
    Trainer(recipe, *load_or_build_corpus(recipe.data, tmp_path / "corpus"), tmp_path).run(quiet)
    settings = CertaintySettings(model=tmp_path / "model", functions=4, least=3, max_new_tokens=24, decontaminate=False)
    assert len(generate_passing_answers(tmp_path / "model", settings).passed) < 3
    with pytest.raises(UserError, match="train the model longer"):
        load_or_generate_certainty_corpus(tmp_path / "model", settings, tmp_path / "answers")


@pytest.mark.slow
def test_fine_tuning_starts_from_the_weights_given(tmp_path: Path) -> None:
    recipe = Recipe.model_validate(TINY.model_dump() | {"steps": 3})
    corpus, tokenizer = load_or_build_corpus(recipe.data, tmp_path / "corpus")
    first = Trainer(recipe, corpus, tokenizer, tmp_path / "first")
    first.run(quiet)
    values = read_recipe(RECIPES / "certainty.yaml").model_dump() | {"minutes": None, "steps": 2, "bf16": False}
    values["certainty"]["model"] = tmp_path / "first" / "model"
    second = Trainer(Recipe.model_validate(values), corpus, tokenizer, tmp_path / "second")
    assert second.evaluate()["held_ar"] == pytest.approx(first.evaluate()["held_ar"], abs=0.02)
    second.run(quiet)
    assert second.state.step == 2
