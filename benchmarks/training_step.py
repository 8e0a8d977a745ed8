"""What compiling layers and losses saves in training: seconds of the processor for the same batches, one thread.

    EVALHARNESS_DATA=DIR python benchmarks/training_step.py --corpus training/corpus

A fresh network of the recipe's shape; the first batches, in which compiling happens, are not counted.
"""

import argparse
import time
from pathlib import Path

import torch

from evalharness.diffusion.batches import stream
from evalharness.diffusion.corpus.build import build_corpus
from evalharness.diffusion.recipe import read_recipe
from evalharness.diffusion.training import Trainer, attention

RECIPE = Path(__file__).resolve().parents[1] / "evalharness" / "diffusion" / "recipes" / "cpu-8m.yaml"
WARM_UP = 8


def seconds(corpus: Path, compiled: bool, count: int) -> float:
    """Of `count` batches, forward and backward."""
    recipe = read_recipe(RECIPE, threads=1, compile=compiled)
    trainer = Trainer(recipe, *build_corpus(recipe.data, corpus), corpus.parent)
    rows = stream(trainer.corpus, recipe.seed, trainer.config.block_size, recipe.micro_tokens, 0)
    batches = [trainer.batch(next(rows)) for _ in range(WARM_UP + count)]
    with attention(torch.device("cpu")):
        for number, batch in enumerate(batches):
            if number == WARM_UP:
                start = time.process_time()
            trainer.losses([batch], recipe.objective, number, batch.answered)
            trainer.gather()
    return time.process_time() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="the recipe's corpus, made there if it is not")
    parser.add_argument("--batches", type=int, default=16)
    given = parser.parse_args()
    plain, compiled = (seconds(given.corpus, compiled, given.batches) for compiled in (False, True))
    print(f"{given.batches} batches: {plain:.1f} s, compiled {compiled:.1f} s, {plain / compiled:.2f} times as fast")
