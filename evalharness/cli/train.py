"""`evalharness train`: trains the bundled model, or another of its form."""

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path, typer.Option("--config", help="A recipe (YAML); some lie in evalharness/training/recipes.")
]


def train(
    config: ConfigOption,
    out: Annotated[Path, typer.Option(help="Folder of the run; a run that lies there is resumed.")] = Path("training"),
    data: Annotated[Path | None, typer.Option(help="Folder of the corpus. [default: OUT/corpus]")] = None,
    steps: Annotated[int | None, typer.Option(help="Instead of the recipe's length.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Instead of the recipe's length.")] = None,
) -> None:
    """Trains a diffusion code model from a recipe.

    Stopped at any time, it leaves weights and can be resumed.
    """
    from evalharness.training.certainty import answer_corpus
    from evalharness.training.corpus.build import build_corpus
    from evalharness.training.corpus.tokenizer import read_tokenizer
    from evalharness.training.recipe import read_recipe
    from evalharness.training.trainer import Trainer

    recipe = read_recipe(config, steps=steps, minutes=minutes)
    folder = data or out / "corpus"
    if recipe.certainty:
        corpus, tokenizer = answer_corpus(recipe.certainty.model, recipe.certainty, folder)
    else:
        corpus, tokenizer = build_corpus(recipe.data, folder, read_tokenizer(recipe.start) if recipe.start else None)
    trainer = Trainer(recipe, corpus, tokenizer, out)
    resumed = trainer.resume()
    size = sum(parameter.numel() for parameter in trainer.model.parameters())
    print(
        f"{size / 1e6:.2f} M parameters, {len(corpus)} documents of {len(corpus.tokens) / 1e6:.1f} M tokens in {folder}"
    )
    if resumed:
        print(f"resumed after step {trainer.state.step}")
    trainer.run(lambda text: print(text, flush=True))
    print(f"weights are in {out / 'model'}: run --backend diffusion --model {out / 'model'}")
