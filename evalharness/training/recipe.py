"""What a training run is told: the YAML file of `evalharness train`."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from evalharness.errors import UserError


class Strict(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Strict):
    """The corpus."""

    functions: int = 60_000
    """Generated functions; each gives one or two documents."""
    seed: int = 0
    gaps: float = 0.8
    """The share of functions that are also shown with a gap."""
    library: int = 10_000
    """At most this many functions of the standard library and installed packages."""
    held_out: int = 512
    """Documents that are only measured on."""
    decontaminate: bool = True
    """Drop what shares anything with the benchmark data below $EVALHARNESS_DATA."""
    vocabulary: int = 8192
    longest: int = 512
    """Documents of more tokens are left out."""


class Shape(Strict):
    """The network."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    block_size: int = 16
    max_length: int = 2048
    rope_theta: float = 10_000.0
    rotary: float = 1.0
    qk_norm: bool = True


class Objective(Strict):
    """The loss: autoregressive on clean text plus `alpha` times denoising of blocks of the answer."""

    alpha: float = 1.0
    """0 leaves noised copies out of the pass, which then costs half as much."""
    denoise_from: float = 0.0
    """The share of the run before which `alpha` is 0: first next tokens alone, then both (Stable-DiffCoder)."""
    noise: tuple[float, float] = (0.15, 1.0)
    """The masked share of a block is drawn uniformly between these, the lower one first; at least one is masked."""
    all_masked: float = 0.2
    """The share of blocks that are masked entirely, as decoding meets them first."""
    complementary: bool = False
    """Denoise each text twice, the second time with the masks where the first time there were none."""
    weighting: Literal["flat", "elbo"] = "flat"
    """Whether each masked token counts the same, or by one over its block's masked share (the likelihood bound)."""
    prompt: float = 0.05
    """The share of the prompt's tokens that take part in the autoregressive loss."""
    certainty: float = 0.0
    """The weight of the entropy of masked tokens that are predicted right, at temperature 0.5."""
    after_end: float = 0.1
    """The weight of the end tokens that fill an answer's last block."""

    @model_validator(mode="after")
    def _noise_rises(self) -> "Objective":
        if not 0 <= self.noise[0] <= self.noise[1] <= 1:
            raise ValueError("noise has two shares from 0 to 1, the lower one first")
        return self


class Certainty(Strict):
    """Answers that the model gives itself: a run with these is a fine-tuning of the weights in `model`."""

    model: Path
    functions: int = 4000
    seed: int = 1_000_003
    """Of the functions to complete: another than the corpus has."""
    decontaminate: bool = True
    """Drop answers that share anything with the benchmark data below $EVALHARNESS_DATA."""
    least: int = 200
    """With fewer passing answers there is nothing to learn from."""
    backend: Literal["ar", "diffusion"] = "diffusion"
    options: dict[str, str] = Field(default_factory=dict)
    max_new_tokens: int = 160
    batch_size: int = 16
    sandbox: str = "docker"
    workers: int = 2


class Optimiser(Strict):
    """Muon for matrices and AdamW for the rest, or AdamW for all."""

    kind: Literal["muon", "adamw"] = "muon"
    rate: float = 0.003
    matrix_rate: float = 0.003
    decay: float = 0.02
    clip: float = 1.0
    ema: float = Field(default=0.99, ge=0, lt=1)
    warm_up: int = 50
    """Steps."""
    cool_down: float = Field(default=0.3, ge=0, lt=1)
    """The last share of the run, in which the rate falls linearly to zero."""


class Recipe(Strict):
    """A training run. It ends after `steps`, or when `minutes` have been spent on it."""

    seed: int = 0
    steps: int | None = Field(None, gt=0)
    minutes: float | None = Field(None, gt=0)
    step_tokens: int = Field(default=16_384, gt=0)
    """Positions per optimiser step, noised copies included."""
    micro_tokens: int = Field(default=4_096, gt=0)
    """Positions per forward pass."""
    checkpoint_s: float = 180
    evaluate_every: int = Field(default=200, gt=0)
    evaluated: int = 128
    """Held-out documents that are measured each time."""
    log_every: int = Field(default=10, gt=0)
    processes: int = Field(default=2, gt=0)
    """Batches that are computed side by side, on a CPU; on a GPU, 1."""
    device: Literal["cpu", "cuda"] = "cpu"
    bf16: bool = True
    compile: bool = False
    """By torch.compile: 1.3 to 1.7 times as fast on two CPUs (benchmarks/training_step.py); needs g++ or clang++."""
    data: Data = Field(default_factory=Data)
    shape: Shape | None = None
    """Of a new network."""
    start: Path | None = None
    """Instead of a shape: the folder of a network whose weights and tokenizer the run begins with."""
    objective: Objective = Field(default_factory=Objective)
    optimiser: Optimiser = Field(default_factory=Optimiser)
    certainty: Certainty | None = None

    @model_validator(mode="after")
    def _ends(self) -> "Recipe":
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("give either steps or minutes")
        if [self.shape, self.start, self.certainty].count(None) != 2:
            raise ValueError("give a shape for a new network, or start with one to go on from, or certainty with one")
        if self.device == "cuda" and self.processes != 1:
            raise ValueError("on a GPU, give processes: 1")
        return self

    @property
    def begins_with(self) -> Path | None:
        """The folder of the network that is trained further, if it is no new one."""
        return self.certainty.model if self.certainty else self.start


def read_recipe(path: Path, **changes: Any) -> Recipe:
    """The recipe in a YAML file, with `changes` of its top-level keys. Raises UserError for what it may not say."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; name a recipe with --config") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no mapping; see the recipes in evalharness/training/recipes")
    if changes.get("steps") is not None or changes.get("minutes") is not None:
        values = {key: value for key, value in values.items() if key not in ("steps", "minutes")}
    try:
        return Recipe.model_validate(values | {key: value for key, value in changes.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: {place + ': ' if place else ''}{first['msg']}") from None
