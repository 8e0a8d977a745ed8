"""The command `evalharness train`, which trains a diffusion code model or a drafter."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    config: Annotated[
        Path,
        typer.Option(
            "--config", metavar="FILE", help="Training recipe (YAML); evalharness/training/recipes contains examples."
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the training run; an existing run is resumed.")
    ] = Path("training"),
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the training corpus; built if missing. [default: OUT/corpus]"),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(metavar="N", help="Stop after this many optimizer steps. [default: the recipe's value]"),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(metavar="N", help="Stop after this many minutes. [default: the recipe's value]")
    ] = None,
) -> None:
    """Trains a diffusion code model or a drafter from a recipe.

    A drafter proposes tokens for speculative decoding.

    Training can be stopped at any time: it writes usable weights, and the same command resumes it.
    """
    from evalharness.training.drafting.recipe import is_drafter_recipe

    if is_drafter_recipe(config):
        _train_drafter(config, out, steps)
        return
    from evalharness.training.certainty import load_or_generate_certainty_corpus
    from evalharness.training.corpus.build import load_or_build_corpus
    from evalharness.training.corpus.tokenizer import read_tokenizer
    from evalharness.training.recipe import read_recipe
    from evalharness.training.trainer import Trainer

    recipe = read_recipe(config, steps=steps, minutes=minutes)
    folder = data or out / "corpus"
    if recipe.certainty:
        corpus, tokenizer = load_or_generate_certainty_corpus(recipe.certainty.model, recipe.certainty, folder)
    else:
        corpus, tokenizer = load_or_build_corpus(
            recipe.data, folder, read_tokenizer(recipe.start) if recipe.start else None
        )
    trainer = Trainer(recipe, corpus, tokenizer, out)
    resumed = trainer.resume()
    parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    print(
        f"{parameters / 1e6:.2f} M parameters; {len(corpus)} documents with {len(corpus.tokens) / 1e6:.1f} M tokens in "
        f"{folder}"
    )
    if resumed:
        print(f"resumed after step {trainer.state.step}")
    trainer.run(lambda text: print(text, flush=True))
    print(f"weights written to {out / 'model'}; use them with: run --backend diffusion --model {out / 'model'}")


def _train_drafter(recipe_path: Path, out: Path, steps: int | None) -> None:
    from evalharness.training.drafting.recipe import read_drafter_recipe
    from evalharness.training.drafting.stages import train_drafter

    recipe = read_drafter_recipe(recipe_path, steps=steps)
    weights = train_drafter(recipe, out, lambda text: print(text, flush=True))
    if weights.exists():
        print(f"drafter written to {weights}; use it with: --option drafter={weights}")
