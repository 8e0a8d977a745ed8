"""Measures what compilation and a second process save in training: tokens/s of forward and backward passes.

    EVALHARNESS_DATA=DIR python benchmarks/training_step.py --corpus training/corpus

Uses a new network of the recipe's shape. The first batches, which are compiled, are not counted. The variants run in
turn on the same batches, so that a busy machine slows all of them equally; results are medians over the rounds.
"""

import argparse
import statistics
import time
from pathlib import Path

from evalharness.training.batches import TrainingBatch, iterate_batches_endlessly
from evalharness.training.corpus.build import load_or_build_corpus
from evalharness.training.recipe import read_recipe
from evalharness.training.trainer import Trainer

RECIPE = Path(__file__).resolve().parents[1] / "evalharness" / "training" / "recipes" / "cpu-8m.yaml"
VARIANTS = {
    "one process, not compiled": {"processes": 1, "compile": False},
    "one process, compiled": {"processes": 1, "compile": True},
    "two processes, compiled": {"processes": 2, "compile": True},
}


def speed(trainer: Trainer, batches: list[TrainingBatch], number: int) -> float:
    """The training speed on these batches in tokens/s."""
    start = time.monotonic()
    trainer.compute_losses(
        batches, trainer.recipe.objective, number, sum(batch.answer_token_count for batch in batches)
    )
    trainer.replicas.gather_gradients()
    return sum(int(batch.lengths.sum()) for batch in batches) / (time.monotonic() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the recipe's corpus, built if missing")
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="training recipe (YAML)")
    parser.add_argument("--rounds", type=int, default=9, help="number of rounds; the first two are not counted")
    parser.add_argument("--batches", type=int, default=4, help="batches per round")
    args = parser.parse_args()
    trainers = {name: _trainer(args.recipe, args.corpus, **variant) for name, variant in VARIANTS.items()}
    first = next(iter(trainers.values()))
    rows = iterate_batches_endlessly(first.corpus, 0, first.config.block_size, first.recipe.micro_tokens, 0)
    rates_by_name: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for number in range(args.rounds):
        batches = [first.make_batch(next(rows)) for _ in range(args.batches)]
        for name, trainer in trainers.items():
            rates_by_name[name].append(speed(trainer, batches, number))
    plain = next(iter(rates_by_name.values()))[2:]
    for name, rates in rates_by_name.items():
        ratio = statistics.median(rate / base for rate, base in zip(rates[2:], plain, strict=True))
        print(f"{name}: {statistics.median(rates[2:]):,.0f} tokens/s, {ratio:.2f} times the first")


def _trainer(path: Path, corpus: Path, **changes: object) -> Trainer:
    recipe = read_recipe(path, **changes)
    return Trainer(recipe, *load_or_build_corpus(recipe.data, corpus), corpus.parent)


if __name__ == "__main__":
    main()
