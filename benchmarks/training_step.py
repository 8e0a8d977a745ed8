"""What compiling and a second process save in training: tokens/s of forward and backward passes, the same batches.

    EVALHARNESS_DATA=DIR python benchmarks/training_step.py --corpus training/corpus

A fresh network of the recipe's shape; the first batches, in which compiling happens, are not counted. The ways take
turns, so that a busy machine slows all of them alike; medians over the rounds.
"""

import argparse
import statistics
import time
from pathlib import Path

from evalharness.training.batches import Batch, stream
from evalharness.training.corpus.build import build_corpus
from evalharness.training.recipe import read_recipe
from evalharness.training.trainer import Trainer

RECIPE = Path(__file__).resolve().parents[1] / "evalharness" / "training" / "recipes" / "cpu-8m.yaml"
WAYS = {
    "one process, as written": {"processes": 1, "compile": False},
    "one process, compiled": {"processes": 1, "compile": True},
    "two processes, compiled": {"processes": 2, "compile": True},
}


def speed(trainer: Trainer, batches: list[Batch], number: int) -> float:
    """Tokens/s of these batches."""
    start = time.monotonic()
    trainer.losses(batches, trainer.recipe.objective, number, sum(batch.answer_tokens for batch in batches))
    trainer.replicas.gather()
    return sum(int(batch.lengths.sum()) for batch in batches) / (time.monotonic() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="the recipe's corpus, made there if it is not")
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--rounds", type=int, default=9, help="the first two warm up")
    parser.add_argument("--batches", type=int, default=4, help="in a round")
    given = parser.parse_args()
    trainers = {name: _trainer(given.recipe, given.corpus, **way) for name, way in WAYS.items()}
    first = next(iter(trainers.values()))
    rows = stream(first.corpus, 0, first.config.block_size, first.recipe.micro_tokens, 0)
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    for number in range(given.rounds):
        batches = [first.batch(next(rows)) for _ in range(given.batches)]
        for name, trainer in trainers.items():
            found[name].append(speed(trainer, batches, number))
    plain = next(iter(found.values()))[2:]
    for name, rates in found.items():
        ratio = statistics.median(rate / base for rate, base in zip(rates[2:], plain, strict=True))
        print(f"{name}: {statistics.median(rates[2:]):,.0f} tokens/s, {ratio:.2f} times the first")


def _trainer(path: Path, corpus: Path, **changes: object) -> Trainer:
    recipe = read_recipe(path, **changes)
    return Trainer(recipe, *build_corpus(recipe.data, corpus), corpus.parent)


if __name__ == "__main__":
    main()
