import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tokenizers import Tokenizer

import evalharness
from evalharness.diffusion.checkpoints import folder as weights
from evalharness.errors import UserError
from evalharness.training.corpus.build import load_or_build_corpus
from evalharness.training.corpus.encoding import Corpus
from evalharness.training.corpus.tokenizer import read_tokenizer, train_tokenizer
from evalharness.training.corpus.views import move_infilling_middle_into_place
from evalharness.training.recipe import Recipe, read_recipe
from evalharness.training.trainer import Trainer

RECIPES = Path(evalharness.__file__).parent / "training" / "recipes"
TINY = read_recipe(RECIPES / "tiny.yaml")


def quiet(text: str) -> None:
    pass


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, Tokenizer]:
    return load_or_build_corpus(TINY.data, tmp_path_factory.mktemp("corpus"))


def losses(trainer: Trainer) -> list[float]:
    return [row["loss"] for row in trainer.state.log]  # type: ignore[misc]


def with_changes(recipe: Recipe, **changes: object) -> Recipe:
    return Recipe.model_validate(recipe.model_dump() | changes)


def test_training_reduces_losses_and_writes_loadable_weights(made: tuple[Corpus, Tokenizer], tmp_path: Path) -> None:
    trainer = Trainer(with_changes(TINY, steps=40), *made, tmp_path)
    before = trainer.evaluate()
    trainer.run(quiet)
    after = trainer.evaluate()
    assert after["held_ar"] < before["held_ar"] - 1.5  # type: ignore[operator]
    assert after["held_denoising"] < before["held_denoising"] - 0.8  # type: ignore[operator]
    model = weights.load_checkpoint(tmp_path / "model")
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in trainer.model.parameters())
    assert (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG")
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 40
    assert Tokenizer.from_file(str(tmp_path / "model" / "tokenizer.json")).get_vocab_size() == 768


def test_losses_are_reproducible_also_after_resuming(made: tuple[Corpus, Tokenizer], tmp_path: Path) -> None:
    recipe = with_changes(TINY, steps=12, log_every=1)
    whole = Trainer(recipe, *made, tmp_path / "whole")
    whole.run(quiet)
    cut = Trainer(recipe, *made, tmp_path / "cut")
    cut.run(lambda text: os.kill(os.getpid(), signal.SIGTERM) if text.startswith("step 7") else None)
    again = Trainer(recipe, *made, tmp_path / "cut")
    assert again.resume()
    assert again.state.step == 7
    again.run(quiet)
    assert losses(again) == losses(whole)
    assert all(torch.equal(a, b) for a, b in zip(again.average.values, whole.average.values, strict=True))


def test_denoising_can_start_later(made: tuple[Corpus, Tokenizer], tmp_path: Path) -> None:
    objective = TINY.objective.model_copy(update={"denoise_from": 0.5})
    trainer = Trainer(with_changes(TINY, steps=8, log_every=1, objective=objective.model_dump()), *made, tmp_path)
    trainer.run(quiet)
    assert ["denoising" in row for row in trainer.state.log] == [False] * 4 + [True] * 4
    assert "held_denoising" in trainer.state.log[-1]


@pytest.mark.slow
def test_compiled_layers_give_the_same_losses(made: tuple[Corpus, Tokenizer], tmp_path: Path) -> None:
    recipe = with_changes(TINY, steps=4, log_every=1, bf16=False)
    found = [
        Trainer(with_changes(recipe, compile=compiled), *made, tmp_path / str(compiled)) for compiled in (False, True)
    ]
    for trainer in found:
        trainer.run(quiet)
    assert losses(found[1]) == pytest.approx(losses(found[0]), rel=1e-4)


def _rows(trainer: Trainer):  # type: ignore[no-untyped-def]
    from evalharness.training.batches import iterate_batches_endlessly

    recipe = trainer.recipe
    return iterate_batches_endlessly(
        trainer.corpus, recipe.seed, trainer.config.block_size, recipe.micro_tokens, trainer.state.batches
    )


@pytest.mark.slow
def test_two_replicas_compute_the_gradient_of_one(made: tuple[Corpus, Tokenizer], tmp_path: Path) -> None:
    one, two = (Trainer(with_changes(TINY, processes=count), *made, tmp_path) for count in (1, 2))
    first, second = one.train_step(_rows(one)), two.train_step(_rows(two))
    assert first["loss"] == second["loss"]
    assert first["norm"] == pytest.approx(second["norm"], rel=1e-4)


def test_a_killed_run_resumes(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    values = yaml.safe_load((RECIPES / "tiny.yaml").read_text()) | {"steps": 100_000, "checkpoint_s": 0.1}
    recipe.write_text(yaml.safe_dump(values))
    command = [sys.executable, "-c", "from evalharness.cli.main import main; main()", "train", "--config", str(recipe)]
    command += ["--out", str(tmp_path / "run")]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "log.jsonl").exists():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    first.kill()
    first.wait()
    second = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert second.stdout is not None
    heard = []
    for line in second.stdout:
        heard.append(line)
        if line.startswith("step"):
            break
    second.terminate()
    second.communicate(timeout=120)
    assert any("resumed after step" in line for line in heard)
    assert second.returncode == 0


@pytest.mark.slow
def test_a_signal_to_the_process_group_leaves_a_checkpoint(tmp_path: Path) -> None:
    """As sent by `timeout`, systemd and Slurm: the replicas' processes leave the signal to the training process."""
    recipe = tmp_path / "recipe.yaml"
    values = yaml.safe_load((RECIPES / "tiny.yaml").read_text()) | {"steps": 100_000, "processes": 2}
    recipe.write_text(yaml.safe_dump(values))
    command = [sys.executable, "-c", "from evalharness.cli.main import main; main()", "train", "--config", str(recipe)]
    command += ["--out", str(tmp_path / "run")]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert run.stdout is not None
    assert any(line.startswith("step 3") for line in iter(run.stdout.readline, ""))
    assert not (tmp_path / "run" / "checkpoint.pt").exists()
    os.killpg(run.pid, signal.SIGTERM)
    said = run.communicate(timeout=120)
    assert run.returncode == 0, said
    assert "Traceback" not in said[1]
    assert (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_longer_run_continues_from_before_a_requested_cool_down(
    made: tuple[Corpus, Tokenizer], tmp_path: Path
) -> None:
    recipe = with_changes(TINY, steps=None, minutes=0.2, log_every=1)
    Trainer(recipe, *made, tmp_path).run(
        lambda text: os.kill(os.getpid(), signal.SIGUSR1) if text.startswith("step 5 ") else None
    )
    (tmp_path / "before-cool-down.pt").replace(tmp_path / "checkpoint.pt")
    longer = Trainer(with_changes(recipe, minutes=10), *made, tmp_path)
    assert longer.resume()
    assert longer.completed_fraction() < 0.05
    assert not longer.state.cooled


def test_held_out_functions_are_not_in_the_training_data(tmp_path: Path) -> None:
    data = TINY.data.model_copy(update={"held_out": 200})
    corpus, tokenizer = load_or_build_corpus(data, tmp_path)
    documents = [corpus.document_tokens(number)[:-1].tolist() for number in range(len(corpus))]
    texts = [move_infilling_middle_into_place(tokenizer.decode(ids, skip_special_tokens=False)) for ids in documents]
    names = [set(re.findall(r"def (\w+\(.*\))", text)) for text in texts]
    bodies = [text.rstrip().rpartition('"""')[2] for text in texts]
    learned = {(name, body) for found, body in zip(names[:-200], bodies[:-200], strict=True) for name in found}
    held = {(name, body) for found, body in zip(names[-200:], bodies[-200:], strict=True) for name in found}
    assert len(held) > 50
    assert len(held & learned) <= 1  # one function may lie on the border


@pytest.mark.slow
def test_a_run_continues_a_network_with_its_tokenizer(made: tuple[Corpus, Tokenizer], tmp_path: Path) -> None:
    first = Trainer(with_changes(TINY, steps=40), *made, tmp_path / "first")
    first.run(quiet)
    data = TINY.data.model_copy(update={"seed": 5})
    recipe = with_changes(TINY, shape=None, start=tmp_path / "first" / "model", data=data.model_dump(), steps=2)
    corpus, tokenizer = load_or_build_corpus(data, tmp_path / "corpus", read_tokenizer(tmp_path / "first" / "model"))
    assert tokenizer.to_str() == made[1].to_str()
    assert not np.array_equal(corpus.tokens[:1000], made[0].tokens[:1000])
    second = Trainer(recipe, corpus, tokenizer, tmp_path / "second")
    fresh = Trainer(TINY, corpus, tokenizer, tmp_path / "fresh")
    assert second.evaluate()["held_ar"] < fresh.evaluate()["held_ar"] - 1.5  # type: ignore[operator]
    second.run(quiet)
    assert Trainer(recipe, corpus, tokenizer, tmp_path / "second").resume()


def test_a_corpus_is_rebuilt_for_another_tokenizer(made: tuple[Corpus, Tokenizer], tmp_path: Path) -> None:
    _, own = load_or_build_corpus(TINY.data, tmp_path)
    other = train_tokenizer(["x = 1\n"] * 50, 300)
    _, given = load_or_build_corpus(TINY.data, tmp_path, other)
    assert given.to_str() == other.to_str() != own.to_str()
    with pytest.raises(UserError, match=r"tokenizer\.json does not exist"):
        read_tokenizer(tmp_path / "nowhere")


def test_a_run_of_another_recipe_is_not_resumed(made: tuple[Corpus, Tokenizer], tmp_path: Path) -> None:
    Trainer(with_changes(TINY, steps=1), *made, tmp_path).run(quiet)
    assert Trainer(with_changes(TINY, steps=5), *made, tmp_path).resume()
    with pytest.raises(UserError, match="another recipe"):
        Trainer(with_changes(TINY, seed=1), *made, tmp_path).resume()


@pytest.mark.parametrize(
    "name", sorted(path.name for path in RECIPES.glob("*.yaml") if not path.name.startswith("drafter-"))
)
def test_bundled_recipes_are_valid(name: str) -> None:
    assert read_recipe(RECIPES / name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: 3\nminutes: 4\n", "exactly one of the keys steps and minutes"),
        ("steps: 3\n", "needs exactly one of the keys shape"),
        ("steps: 0\n", "greater than 0"),
        ("steps: 3\nprocesses: 0\n", "greater than 0"),
        ("steps: 3\nobjective: {noise: [0.5, 0.2]}\n", "the lower one first"),
        ("steps: 3\nstart: x\ndevice: cuda\n", "with device: cuda the recipe needs processes: 1, not 2"),
        ("steps: 3\nstep: 4\n", "step: Extra inputs"),
        ("- a\n", "is not a YAML mapping; write it like"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_invalid_recipes_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_recipe(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_recipe(tmp_path / "none.yaml")


def test_former_keys_of_recipes_still_work(tmp_path: Path) -> None:
    values = yaml.safe_load((RECIPES / "tiny.yaml").read_text())
    values["optimiser"] = values.pop("optimizer") | {"warm_up": 7}
    values["data"]["gaps"] = 0.1
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(values))
    recipe = read_recipe(tmp_path / "old.yaml")
    assert (recipe.optimizer.warm_up, recipe.data.infilling) == (7, 0.1)


def test_checkpoints_with_former_keys_are_resumed(made: tuple[Corpus, Tokenizer], tmp_path: Path) -> None:
    recipe = with_changes(TINY, steps=2)
    Trainer(recipe, *made, tmp_path).run(quiet)
    values = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    values["optimisers"] = values.pop("optimizers")
    old_recipe = json.loads(values["recipe"])
    old_recipe["optimiser"] = old_recipe.pop("optimizer")
    old_recipe["data"]["gaps"] = old_recipe["data"].pop("infilling")
    values["recipe"] = json.dumps(old_recipe)
    torch.save(values, tmp_path / "checkpoint.pt")
    resumed = Trainer(recipe, *made, tmp_path)
    assert resumed.resume()
    assert resumed.state.step == 2


def test_decontamination_without_data_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EVALHARNESS_DATA", raising=False)
    with pytest.raises(UserError, match="EVALHARNESS_DATA"):
        load_or_build_corpus(TINY.data.model_copy(update={"decontaminate": True}), tmp_path)
