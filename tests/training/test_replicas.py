import time
from pathlib import Path

import pytest
import torch

from evalharness.diffusion.network import Transformer
from evalharness.errors import InfrastructureError
from evalharness.training.batches import TrainingBatch, make_training_batch, plan_held_out_batches
from evalharness.training.corpus.build import load_or_build_corpus
from evalharness.training.recipe import read_recipe
from evalharness.training.replicas import ReplicaPool
from evalharness.training.trainer import make_model_config

TINY = read_recipe(Path(__file__).parents[2] / "evalharness" / "training" / "recipes" / "tiny.yaml")
Work = list[tuple[int, TrainingBatch]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Transformer, Work]:
    corpus, tokenizer = load_or_build_corpus(TINY.data, tmp_path_factory.mktemp("corpus"))
    torch.manual_seed(0)
    model = Transformer(make_model_config(TINY, tokenizer))
    planned = plan_held_out_batches(corpus, 5, 8, 256)
    config = model.config
    batches = [make_training_batch(corpus, rows, config.block_size, config.end_id, config.pad_id) for rows in planned]
    assert len(batches) > 3
    return model, list(enumerate(batches))


def test_two_processes_compute_the_losses_and_gradients_of_one(made: tuple[Transformer, Work]) -> None:
    model, work = made
    found = []
    for count in (1, 2):
        replicas = ReplicaPool(model, count, torch.float32, compile=False)
        for _ in range(2):  # gradients of a step are not added to those of the step before
            losses = replicas.compute_losses(work, TINY.objective, 100)
            replicas.gather_gradients()
        found.append((losses, [parameter.grad.clone() for parameter in model.parameters()]))  # type: ignore[union-attr]
    assert [one.total for one in found[0][0]] == [two.total for two in found[1][0]]
    for one, two in zip(found[0][1], found[1][1], strict=True):
        assert one.abs().sum() > 0
        torch.testing.assert_close(one, two)


def test_losses_without_gradients_leave_none(made: tuple[Transformer, Work]) -> None:
    model, work = made
    replicas = ReplicaPool(model, 2, torch.float32, compile=False)
    assert len(replicas.compute_losses(work[:1], TINY.objective, None)) == 1
    replicas.gather_gradients()
    assert all(not parameter.grad.any() for parameter in model.parameters())  # type: ignore[union-attr]


@pytest.mark.slow
def test_processes_use_the_current_weights(made: tuple[Transformer, Work]) -> None:
    model, work = made
    replicas = ReplicaPool(model, 2, torch.float32, compile=False)
    before = replicas.compute_losses(work, TINY.objective, None)
    kept = model.embed.weight.detach().clone()
    with torch.no_grad():
        model.embed.weight.mul_(3)
    after = replicas.compute_losses(work, TINY.objective, None)
    with torch.no_grad():
        model.embed.weight.copy_(kept)
    assert all(one.total != two.total for one, two in zip(before, after, strict=True))


def test_a_dead_process_is_an_infrastructure_error(made: tuple[Transformer, Work]) -> None:
    model, work = made
    replicas = ReplicaPool(model, 2, torch.float32, compile=False)
    replicas.processes[1].kill()
    with pytest.raises(InfrastructureError, match="run the same command again to resume"):
        replicas.compute_losses(work, TINY.objective, None)


@pytest.mark.slow
def test_processes_end_with_their_owner(made: tuple[Transformer, Work]) -> None:
    replicas = ReplicaPool(made[0], 2, torch.float32, compile=False)
    processes = replicas.processes
    del replicas
    deadline = time.monotonic() + 60
    while any(process.is_alive() for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.1)
