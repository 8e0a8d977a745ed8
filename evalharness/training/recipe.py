"""The YAML recipe of a training run with `evalharness train`."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from evalharness.errors import UserError
from evalharness.util.text import error_text
from evalharness.util.yaml_text import parse_yaml


class StrictSection(BaseModel):
    """Base class of the sections of a recipe; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CorpusSettings(StrictSection):
    """Recipe section `data`: how the training corpus is built."""

    functions: int = 60_000
    """Generated functions; each becomes one or two training documents."""
    seed: int = 0
    infilling: float = Field(default=0.8, validation_alias=AliasChoices("infilling", "gaps"))
    """The fraction of functions that also become an infilling document. The former key `gaps` still works."""
    library: int = 10_000
    """Most functions from the standard library and installed packages."""
    held_out: int = 512
    """Documents for evaluation only."""
    decontaminate: bool = True
    """Whether to drop documents that overlap with the benchmark data in $EVALHARNESS_DATA."""
    vocabulary: int = 8192
    """Size of the tokenizer's vocabulary."""
    longest: int = 512
    """Longer documents, in tokens, are dropped."""


class NetworkShape(StrictSection):
    """Recipe section `shape`: the shape of a new network; the fields are those of `ModelConfig`."""

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


class Objective(StrictSection):
    """Recipe section `objective`: autoregressive loss on clean text, plus `alpha` times the denoising loss."""

    alpha: float = 1.0
    """The weight of the denoising loss. 0 leaves noised (partly masked) copies out of the forward pass, which then
    costs half as much.
    """
    denoise_from: float = 0.0
    """The fraction of the run in which `alpha` is 0: first next tokens alone, then both (Stable-DiffCoder)."""
    noise: tuple[float, float] = (0.15, 1.0)
    """The range of the masked fraction of a block, which is drawn uniformly; at least one token is masked."""
    all_masked: float = 0.2
    """The fraction of blocks that are masked entirely, as at the start of decoding a block."""
    complementary: bool = False
    """Whether to denoise each text a second time, with exactly the other tokens masked."""
    weighting: Literal["flat", "elbo"] = "flat"
    """The weight of each masked token: 1, or one over its block's masked fraction (the likelihood bound)."""
    prompt: float = 0.05
    """The fraction of prompt tokens that take part in the autoregressive loss."""
    certainty: float = 0.0
    """The weight of the entropy, at temperature 0.5, of masked tokens that are predicted correctly."""
    after_end: float = 0.1
    """The weight of the end tokens that fill an answer's last block."""

    @model_validator(mode="after")
    def _check_noise_range(self) -> "Objective":
        if not 0 <= self.noise[0] <= self.noise[1] <= 1:
            raise ValueError(
                f"noise, the range of a block's masked fraction, is {list(self.noise)}, but must be two fractions from "
                "0 to 1, the lower one first"
            )
        return self


class CertaintySettings(StrictSection):
    """Recipe section `certainty`: fine-tuning of `model` on its own answers that pass their tests."""

    model: Path
    functions: int = 4000
    """Generated functions for the model to complete."""
    seed: int = 1_000_003
    """The seed of these functions; it differs from the corpus' seed."""
    decontaminate: bool = True
    """Whether to drop answers that overlap with the benchmark data in $EVALHARNESS_DATA."""
    least: int = 200
    """Fewest passing answers to train on."""
    backend: Literal["ar", "diffusion"] = "diffusion"
    options: dict[str, str] = Field(default_factory=dict)
    max_new_tokens: int = 160
    batch_size: int = 16
    sandbox: str = "docker"
    workers: int = 2


class OptimizerSettings(StrictSection):
    """Recipe section `optimizer`: Muon for matrices and AdamW for other parameters, or AdamW for all."""

    kind: Literal["muon", "adamw"] = "muon"
    rate: float = 0.003
    """The learning rate of AdamW."""
    matrix_rate: float = 0.003
    """The learning rate of Muon."""
    decay: float = 0.02
    """The weight decay of matrices."""
    clip: float = 1.0
    """The largest norm of the gradient."""
    ema: float = Field(default=0.99, ge=0, lt=1)
    """The decay of the exponential moving average of the weights."""
    warm_up: int = 50
    """Steps in which the learning rates rise linearly."""
    cool_down: float = Field(default=0.3, ge=0, lt=1)
    """The final fraction of the run in which the learning rates fall linearly to zero."""


class Recipe(StrictSection):
    """A training recipe. The run ends after `steps` or after `minutes`; a recipe sets one of the two."""

    seed: int = 0
    steps: int | None = Field(None, gt=0)
    minutes: float | None = Field(None, gt=0)
    step_tokens: int = Field(default=16_384, gt=0)
    """Token positions per optimizer step, including noised (partly masked) copies."""
    micro_tokens: int = Field(default=4_096, gt=0)
    """Token positions per forward pass (micro-batch)."""
    checkpoint_s: float = 180
    """Seconds between checkpoints."""
    evaluate_every: int = Field(default=200, gt=0)
    """Steps between evaluations."""
    evaluated: int = 128
    """Held-out documents per evaluation."""
    log_every: int = Field(default=10, gt=0)
    """Steps between rows of the log."""
    processes: int = Field(default=2, gt=0)
    """Processes that compute batches in parallel on a CPU; on a GPU, 1."""
    device: Literal["cpu", "cuda"] = "cpu"
    bf16: bool = True
    """Whether matrix products are computed in bfloat16; weights are float32."""
    compile: bool = False
    """Whether to use torch.compile, which needs g++ or clang++.

    On two CPUs it is 1.3 to 1.7 times as fast (benchmarks/training_step.py).
    """
    data: CorpusSettings = Field(default_factory=CorpusSettings)
    shape: NetworkShape | None = None
    """The shape of a new network."""
    start: Path | None = None
    """Instead of a shape, the folder of a network whose training continues: its weights and its tokenizer are used."""
    objective: Objective = Field(default_factory=Objective)
    optimizer: OptimizerSettings = Field(
        default_factory=OptimizerSettings, validation_alias=AliasChoices("optimizer", "optimiser")
    )
    """The former key `optimiser` still works."""
    certainty: CertaintySettings | None = None

    @model_validator(mode="after")
    def _check_key_combinations(self) -> "Recipe":
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("a recipe needs exactly one of the keys steps and minutes; add or remove one")
        if [self.shape, self.start, self.certainty].count(None) != 2:
            raise ValueError(
                "a recipe needs exactly one of the keys shape (a new network), start (continue a network) and "
                "certainty (fine-tune a network on its own answers); add or remove one"
            )
        if self.device == "cuda" and self.processes != 1:
            raise ValueError(f"with device: cuda the recipe needs processes: 1, not {self.processes}")
        return self

    @property
    def initial_network(self) -> Path | None:
        """The checkpoint folder of the network to continue; None for a new network."""
        return self.certainty.model if self.certainty else self.start


def read_recipe(path: Path, **overrides: Any) -> Recipe:
    """Returns the training recipe in a YAML file; `overrides` override its top-level keys.

    Raises UserError for an invalid recipe.
    """
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; give a recipe file with --config") from error
    except yaml.YAMLError as error:
        raise UserError(f"the recipe {path} is not valid YAML: {error_text(error)}; correct it") from error
    if not isinstance(values, dict):
        raise UserError(
            f"the recipe {path} is not a YAML mapping; write it like the examples in evalharness/training/recipes"
        )
    if overrides.get("steps") is not None or overrides.get("minutes") is not None:
        values = {key: value for key, value in values.items() if key not in ("steps", "minutes")}
    try:
        return Recipe.model_validate(values | {key: value for key, value in overrides.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"the recipe {path} is invalid: {key + ': ' if key else ''}{first['msg']}; correct it"
        ) from None
