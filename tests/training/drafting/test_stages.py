"""The command `train` with a drafter's recipe: all stages on a tiny target, stopped and resumed."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from helpers.gguf_files import write_gguf
from helpers.open_checkpoints import build
from typer.testing import CliRunner

from evalharness.cli.main import app
from evalharness.diffusion.checkpoints.gguf import open_gguf
from evalharness.diffusion.drafting.checkpoint import load_drafter, target_fingerprint
from evalharness.errors import UserError
from evalharness.training.drafting import prompts as prompts_module
from evalharness.training.drafting.features import StoredFeatureSource
from evalharness.training.drafting.recipe import DrafterRecipe, is_drafter_recipe, read_drafter_recipe
from evalharness.training.drafting.shards import list_shard_numbers, read_texts_of_all_shards
from evalharness.training.drafting.stages import run_answer_stage, run_feature_stage


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DrafterRecipe:
    monkeypatch.setattr(prompts_module, "MOST_FILES", 20)
    monkeypatch.delenv("EVALHARNESS_BASE", raising=False)
    target = write_gguf(tmp_path / "target.gguf", tmp_path, build(tmp_path, "qwen2"))
    values = {
        "kind": "drafter", "target": str(target),
        "answers": {
            "tokens": 200, "longest_prompt": 400, "longest_answer": 12, "slots": 4, "shard": 8, "held_out": 4,
            "eight_bit": True, "decontaminate": False,
        },
        "features": {"taps": [0, 1]},
        "drafter": {
            "layers": 1, "block": 3, "vocabulary": 100, "rank": 4, "heads": 4, "kv_heads": 2, "intermediate": 32,
        },
        "optimization": {"steps": 4, "texts": 2, "anchors": 4, "evaluate_every": 2},
    }  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    return read_drafter_recipe(tmp_path / "recipe.yaml")


def test_one_command_runs_all_stages(recipe: DrafterRecipe, tmp_path: Path) -> None:
    arguments = ["train", "--config", str(tmp_path / "recipe.yaml"), "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "answers: shard 0" in result.output
    assert "held-out acceptance length" in result.output
    target = open_gguf(Path(recipe.target), torch.float32).model
    drafter = load_drafter(tmp_path / "run" / "model", target)
    assert drafter.config.target_sha256 == target_fingerprint(target)
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0
    assert "answers" not in again.output
    assert "resumed after step 4" in again.output


def test_answers_go_on_behind_the_prompts_that_were_begun(recipe: DrafterRecipe, tmp_path: Path) -> None:
    said: list[str] = []
    run_answer_stage(recipe, tmp_path, lambda: bool(said), said.append)
    assert list_shard_numbers(tmp_path / "answers") == [0]
    first = list(read_texts_of_all_shards(tmp_path / "answers"))
    run_answer_stage(recipe, tmp_path, lambda: False, said.append)
    texts = list(read_texts_of_all_shards(tmp_path / "answers"))
    assert texts[:8] == first
    assert sum(len(text.answer) for text in texts) >= 200
    assert len({text.prompt for text in texts}) == len(texts)
    assert all(len(text.answer) <= 12 for text in texts)


def test_features_are_made_of_missing_shards_alone(recipe: DrafterRecipe, tmp_path: Path) -> None:
    settings = recipe.features.model_copy(update={"with_answers": False})
    later = recipe.model_copy(update={"features": settings})
    run_answer_stage(later, tmp_path, lambda: False, lambda _: None)
    said: list[str] = []
    run_feature_stage(later, tmp_path, lambda: len(said) == 1, said.append)
    assert len(said) == 1
    run_feature_stage(later, tmp_path, lambda: False, said.append)
    assert len(said) == len(list_shard_numbers(tmp_path / "answers"))
    other = recipe.model_copy(update={"features": settings.model_copy(update={"taps": (1,)})})
    run_feature_stage(other, tmp_path, lambda: False, said.append)
    assert len(said) == 2 * len(list_shard_numbers(tmp_path / "answers"))


def test_features_kept_while_answering_are_those_of_a_second_pass(recipe: DrafterRecipe, tmp_path: Path) -> None:
    answers = recipe.answers.model_copy(update={"eight_bit": False})
    recipe = recipe.model_copy(update={"answers": answers})
    run_answer_stage(recipe, tmp_path, lambda: False, lambda _: None)
    kept = StoredFeatureSource(tmp_path / "answers", tmp_path / "features")
    rows = [kept[number] for number in range(len(kept))]
    said: list[str] = []
    run_feature_stage(recipe, tmp_path, lambda: False, said.append)
    assert said == []
    shutil.rmtree(tmp_path / "features")
    run_feature_stage(recipe, tmp_path, lambda: False, said.append)
    again = StoredFeatureSource(tmp_path / "answers", tmp_path / "features")
    assert len(rows) == len(again) > 8
    for number, before in enumerate(rows):
        after = again[number]
        assert before.text == after.text
        # No pass of the generation had the last token.
        torch.testing.assert_close(before.states[:-1], after.states[:-1], rtol=0.02, atol=0.02)
        torch.testing.assert_close(before.probabilities, after.probabilities, rtol=0.02, atol=1e-3)
        assert before.ids[:, 0].tolist() == list(before.text.answer)


def test_recipes_say_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("kind: drafter\ntarget: x\nanswers: {tokens: 0}\n")
    assert is_drafter_recipe(path)
    with pytest.raises(UserError, match=r"answers\.tokens: Input should be greater than 0"):
        read_drafter_recipe(path)
    assert not is_drafter_recipe(tmp_path / "none.yaml")


RECIPES = Path(__file__).parents[3] / "evalharness" / "training" / "recipes"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("drafter-*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes_are_valid(path: Path) -> None:
    recipe = read_drafter_recipe(path, steps=7)
    assert recipe.optimization.steps == 7
    assert recipe.features.stored == (recipe.device == "cpu")
