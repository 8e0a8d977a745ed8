"""The YAML recipe (`kind: drafter`) of a drafter's training run with `evalharness train`."""

import os
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from evalharness.errors import UserError
from evalharness.training.recipe import StrictSection
from evalharness.util.yaml_text import parse_yaml


class AnswerSettings(StrictSection):
    """Recipe section `answers`: how training texts (prompts with the target's answers) are generated."""

    tokens: int = Field(default=2_000_000, gt=0)
    """Answer tokens after which generation ends."""
    seed: int = 0
    longest_prompt: int = 512
    """Longer prompts, in tokens, are dropped."""
    longest_answer: int = 384
    """Answers are cut off at this number of tokens."""
    slots: int = Field(default=48, gt=0)
    """Answers that are generated concurrently."""
    together: int = Field(default=1, gt=0)
    """Prompts that are prefilled in one forward pass; more than one is faster only on a GPU."""
    shard: int = Field(default=128, gt=0)
    """Texts per file."""
    eight_bit: bool = False
    """Generate with 8-bit products: twice as fast on a CPU without a matrix unit, with slightly other answers."""
    decontaminate: bool = True
    """Drop prompts and answers that share anything with the benchmark data below $EVALHARNESS_DATA."""
    held_out: int = 64
    """Number of texts, the first ones, for evaluation only."""


class FeatureSettings(StrictSection):
    """Recipe section `features`: which hidden states of the target the drafter gets, and whether they are stored."""

    taps: tuple[int, ...] = (6, 14, 21)
    """Layers of the target (from 0) whose output hidden states the drafter receives."""
    stored: bool = True
    """Store the hidden states on disk, 5 kB per token of a text for three layers of width 896. If not, the target
    processes each text again whenever the drafter is trained on it; for a GPU.
    """
    with_answers: bool = True
    """Record the hidden states while the answers are generated (0.12 GB per 64 texts of 350 tokens for three layers of
    width 896). The target processes answers without recorded states, or all if this is false, a second time.
    """
    eight_bit: bool = False
    """Whether this second processing uses 8-bit products, as `answers.eight_bit`."""


class DrafterShape(StrictSection):
    """Recipe section `drafter`: the shape of the drafter's network."""

    layers: int = Field(default=2, gt=0)
    block: int = Field(default=7, gt=0)
    """Tokens that are drafted in one forward pass."""
    vocabulary: int = Field(default=8192, gt=0)
    """Most frequent tokens of the texts, the only ones that are drafted."""
    rank: int = Field(default=192, gt=0)
    """Rank of the Markov head."""
    heads: int = Field(default=0, ge=0)
    """Attention heads; 0, here and for the next two fields: the size of a layer of the target."""
    kv_heads: int = Field(default=0, ge=0)
    intermediate: int = Field(default=0, ge=0)
    carry: bool = True
    """Add the context feature (projected hidden states of the target) of the position before a block to the block's
    inputs, multiplied by a matrix.
    """
    start: tuple[int, ...] = ()
    """Layers of the target whose weights initialize the drafter's layers; if empty, random numbers do."""
    pairs: bool = True
    """Initialize the Markov head (logits of a token given the one before it) from the frequencies of token pairs in the
    answers.
    """


class OptimizationSettings(StrictSection):
    """Recipe section `optimization`: how the drafter is trained."""

    steps: int = Field(default=4000, gt=0)
    texts: int = Field(default=8, gt=0)
    """Texts per step."""
    anchors: int = Field(default=32, gt=0)
    """Blocks that are drafted per text in a training step; each begins at a random position of the answer, its
    anchor.
    """
    optimizer: Literal["adamw", "muon"] = "adamw"
    """The optimizer of the layers' matrices. A step of Muon costs as much as the gradients of some hundred blocks."""
    bfloat16: bool = False
    """Compute products in bfloat16, for a GPU; the parameters stay float32."""
    rate: float = 6e-4
    warm_up: float = 0.04
    """The share of the steps in which the learning rate rises."""
    clip: float = 1.0
    cross_entropy: float = 0.1
    """The weight of cross-entropy in the loss; the rest is the L1 distance of the distributions."""
    decay: float = 4.0
    """Number of positions in a block over which the weight of a position's loss falls by a factor of e."""
    log_every: int = 10
    evaluate_every: int = 200
    checkpoint_s: float = 180
    seed: int = 0


class DrafterRecipe(StrictSection):
    """The recipe of a drafter's training run, with a section for each stage: answers, features, training."""

    kind: Literal["drafter"]
    target: str
    """A GGUF file, a checkpoint folder or a hub id; $EVALHARNESS_BASE takes its place where that is set."""
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = Field(default=1, gt=0)
    """CPU threads."""
    answers: AnswerSettings = AnswerSettings()
    features: FeatureSettings = FeatureSettings()
    drafter: DrafterShape = DrafterShape()
    optimization: OptimizationSettings = OptimizationSettings()

    @property
    def target_path(self) -> str:
        """The GGUF file, folder or hub id of the target: $EVALHARNESS_BASE if set, else the recipe's key `target`."""
        return os.environ.get("EVALHARNESS_BASE") or self.target


def is_drafter_recipe(path: Path) -> bool:
    """Returns whether a YAML file is a drafter recipe (`kind: drafter`); False for an unreadable file."""
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return False
    return isinstance(values, dict) and values.get("kind") == "drafter"


def read_drafter_recipe(path: Path, steps: int | None = None) -> DrafterRecipe:
    """Returns the drafter recipe in a YAML file; `steps`, if given, overrides its optimization.steps.

    Raises UserError for an invalid recipe.
    """
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(
            f"{path} cannot be read: {' '.join(str(error).split())}; give a recipe file with --config"
        ) from None
    if steps is not None:
        values["optimization"] = {**values.get("optimization", {}), "steps": steps}
    try:
        return DrafterRecipe.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"the recipe {path} is invalid: {key + ': ' if key else ''}{first['msg']}; correct it"
        ) from None
