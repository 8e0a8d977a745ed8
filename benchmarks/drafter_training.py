"""Trains a drafter for a fixed CPU time on the features of a training run, and prints its held-out acceptance.

For comparing recipes at equal cost: the number of steps follows from the time of the first ones. Nothing is written.

    python benchmarks/drafter_training.py --run DIR --cpu-minutes 10
    python benchmarks/drafter_training.py --run DIR --cpu-minutes 10 --set drafter.carry=false
"""

import argparse
import dataclasses
import time
from pathlib import Path
from typing import Any

import torch
import yaml

from evalharness.training.drafting.features import StoredFeatureSource
from evalharness.training.drafting.recipe import DrafterRecipe
from evalharness.training.drafting.stages import ANSWERS, FEATURES, open_target
from evalharness.training.drafting.trainer import DrafterTrainer, make_drafter

RECIPE = Path(__file__).parents[1] / "evalharness/training/recipes/drafter-qwen2.5-coder-0.5b.yaml"
TRIAL = 3
"""Steps whose time is measured."""


def read_recipe(path: Path, changes: list[str]) -> DrafterRecipe:
    """The recipe with changes such as `optimization.rate=0.001`."""
    values: dict[str, Any] = yaml.safe_load(path.read_text())
    for change in changes:
        name, _, value = change.partition("=")
        section, _, key = name.partition(".")
        values.setdefault(section, {})[key] = yaml.safe_load(value)
    return DrafterRecipe.model_validate(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder with answers/ and features/")
    parser.add_argument("--config", type=Path, default=RECIPE)
    parser.add_argument("--cpu-minutes", type=float, default=10)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="repeatable")
    args = parser.parse_args()
    torch.set_num_threads(1)  # so that CPU time is the time of the products alone
    recipe = read_recipe(args.config, args.set)
    target, store = open_target(recipe), StoredFeatureSource(args.run / ANSWERS, args.run / FEATURES)

    def trainer(steps: int) -> DrafterTrainer:
        changed = recipe.optimization.model_copy(update={"steps": steps, "evaluate_every": 1 << 30})
        given = recipe.model_copy(update={"optimization": changed})
        drafter = make_drafter(given, target.model, target.end_ids, store)
        made = DrafterTrainer(given, drafter, target.model, store, Path())
        made.save = lambda: None  # type: ignore[method-assign]
        return made

    trial = trainer(10**6)
    start = time.process_time()
    trial.run(lambda: trial.step == TRIAL, lambda _: None)
    seconds = (time.process_time() - start) / TRIAL
    steps = max(1, round(60 * args.cpu_minutes / seconds))
    print(f"{len(store)} texts, {trial.drafter.size / 1e6:.1f} M parameters, {seconds:.2f} CPU s a step, {steps} steps")
    run = trainer(steps)
    print(f"before the first step: acceptance length {run.measure_acceptance_length_and_rates()[0]}", flush=True)
    run.run(lambda: False, lambda line: print(line, flush=True))
    last = dataclasses.asdict(run.log[-1])
    print(" ".join(args.set) or "recipe", {key: last[key] for key in ("step", "loss", "acceptance_length")})


if __name__ == "__main__":
    main()
