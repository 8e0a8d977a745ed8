"""The bundled network, or another by --model, decoded by block diffusion: many tokens in each pass.

`rule` says which of a block's tokens a pass fixes: threshold (those at least `threshold` sure), factor and
entropy-bounded (`bound`), confidence, margin, entropy and static (`steps` passes a block), dynamic (both), editing
(`threshold`, and `edit` for what is rewritten). What is not given comes with the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from evalharness.backends import BackendConfig, parse_options
from evalharness.backends.network_options import NetworkOptions, check_batch
from evalharness.errors import UserError
from evalharness.records import Completion, Prompt, Request, Sampling
from evalharness.util.clock import now

if TYPE_CHECKING:
    from evalharness.backends.diffusion.gemma import Gemma
    from evalharness.backends.network import Network

SETTINGS = {
    "threshold": ("threshold",), "factor": ("bound",), "confidence": ("steps",), "margin": ("steps",),
    "entropy": ("steps",), "entropy-bounded": ("bound",), "static": ("steps",), "dynamic": ("threshold", "steps"),
    "editing": ("threshold", "edit"),
}  # fmt: skip
"""Which options each rule looks at."""


class Options(NetworkOptions):
    """The backend's `--option key=value` pairs."""

    rule: Literal[*SETTINGS] | None = None  # type: ignore[valid-type]
    threshold: float | None = Field(None, ge=0, le=1)
    steps: int | None = Field(None, ge=1)
    """Passes per block; by default as many as it has tokens."""
    bound: float | None = Field(None, gt=0)
    edit: float = Field(0.9, ge=0, le=1)
    block: int | None = Field(None, ge=1)
    """Tokens per block, where the model leaves a choice."""

    def check_rule(self, rule: str) -> None:
        """Raises UserError for a setting of the rules that this one does not look at: it would change nothing."""
        for setting in ("threshold", "steps", "bound", "edit"):
            if setting in self.model_fields_set and setting not in SETTINGS[rule]:
                rules = ", ".join(name for name, settings in SETTINGS.items() if setting in settings)
                raise UserError(f"option {setting} means nothing to rule={rule}; leave it out, or use rule= {rules}")


class DiffusionBackend:
    """Generates by block diffusion with a network of ours; loads nothing before it is needed."""

    name = "diffusion"
    Options: ClassVar[type[BaseModel]] = Options

    def __init__(self, config: BackendConfig) -> None:
        """Raises UserError for a bad option or a batch size below 1."""
        check_batch(config)
        self._config = config
        self._options = parse_options(Options, self.name, config.options)
        if self._options.rule:
            self._options.check_rule(self._options.rule)
        self._loaded: Network | None = None
        self._gemma: Gemma | None = None

    def accept(self, prompt: Prompt) -> None:
        """Takes any text, and gaps as far as the network can. Raises UserError for others."""
        from evalharness.backends.diffusion.infilling import check_gap

        if prompt.suffix is not None:
            if self._own_sampler():
                raise UserError(f"model {self._config.model} cannot infill; use --option recipe=suffix-first")
            check_gap(self._network(), prompt)

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yields completions in the order of the requests, a batch at a time; a search is a batch of its own."""
        from evalharness.backends.diffusion.infilling import denoising, gap_row, search
        from evalharness.backends.network import attempt, completion, engine_for
        from evalharness.diffusion.decoding import denoise

        options = self._options
        if gemma := self._own_sampler():
            from evalharness.backends.diffusion import gemma as diffusion_gemma

            yield from diffusion_gemma.generate(gemma, requests, sampling, options.trace)
            return
        network, waiting = self._network(), iter(requests)
        while chunk := list(islice(waiting, self._config.batch_size)):
            policy = chunk[0].problem.prompt.middle_length
            how = denoising(network, options, sampling, fixed=policy in ("oracle", "search"))
            engine = engine_for(network, options, how.sampler, how)
            if policy == "search":
                yield from (search(network, request, sampling, how, options.trace, engine) for request in chunk)
                continue
            rows = [gap_row(network, request, sampling, how) for request in chunk]
            able = [row for row in rows if row.prompt and row.watch.limit]
            started_at = now()
            error = attempt(partial(denoise, network.model, able, how, engine))
            for request, row in zip(chunk, rows, strict=True):
                yield completion(network.decoder, request, row, started_at, len(able), options.trace, error)

    def describe(self) -> Mapping[str, Any]:
        """Everything that can change a number. Loads the model; raises UserError as that does."""
        from evalharness.backends.diffusion.infilling import decoding_options
        from evalharness.backends.network import describe

        if gemma := self._own_sampler():
            from evalharness.backends.diffusion import gemma as diffusion_gemma

            return {**diffusion_gemma.describe(gemma), "options": {"trace": self._options.trace}}
        network = self._network()
        options = self._options.model_dump(include={"steps", "bound", "edit", "trace", "revision"})
        options |= decoding_options(network, self._options)
        return {**describe(network), "batch_size": self._config.batch_size, "options": options}

    def close(self) -> None:
        """Frees the model."""
        self._loaded = self._gemma = None

    def _own_sampler(self) -> Gemma | None:
        """The model, where it is one that transformers implements with a sampler of its own."""
        from evalharness.diffusion.checkpoints.loading import find_folder, read_json

        if self._gemma is None and self._loaded is None and self._config.model is not None:
            folder = find_folder(self._config.model, self._options.revision)
            if read_json(folder / "config.json").get("model_type") == "diffusion_gemma":
                from evalharness.backends.diffusion import gemma as diffusion_gemma

                self._gemma = diffusion_gemma.load(self._config.model, folder, self._options)
        return self._gemma

    def _network(self) -> Network:
        from evalharness.backends.network import load_network

        if self._loaded is None:
            network = load_network(self._config.model, self._options)
            if not network.family.diffusion:
                raise UserError(f"model {network.name} is no diffusion model; use --backend ar")
            self._loaded = network
        return self._loaded
