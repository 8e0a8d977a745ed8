"""The bundled network, or another one by --model, decoded by block diffusion: many tokens in each pass.

`rule` selects which tokens of a block a denoising step commits: threshold (those with at least the confidence
`threshold`), factor and entropy-bounded (`bound`), confidence, margin, entropy and static (`steps` steps per block),
dynamic (both), editing (`threshold`, and `edit` for tokens to replace). An option that is not set has the value of
the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from evalharness.backends.diffusion.options import DiffusionOptions
from evalharness.backends.factory import BackendConfig
from evalharness.backends.options import parse_options
from evalharness.errors import UserError
from evalharness.generation.batching import batches, check_batch_size
from evalharness.records import Completion, Prompt, Request, Sampling
from evalharness.util.clock import now

if TYPE_CHECKING:
    from evalharness.backends.diffusion.diffusion_gemma import DiffusionGemma
    from evalharness.backends.network.loading import Network


class DiffusionBackend:
    """Generates by block diffusion. Loads the network when it is first needed."""

    name = "diffusion"
    Options: ClassVar[type[BaseModel]] = DiffusionOptions

    def __init__(self, config: BackendConfig) -> None:
        """Raises UserError for a wrong option or a batch size below 1."""
        check_batch_size(config.batch_size)
        self._config = config
        self._options = parse_options(DiffusionOptions, self.name, config.options)
        if self._options.rule:
            self._options.check_rule(self._options.rule)
        self._network: Network | None = None
        self._gemma: DiffusionGemma | None = None

    def accept(self, prompt: Prompt) -> None:
        """Accepts text and chat prompts; infilling prompts if the network can infill with this middle length.

        Raises UserError for an infilling prompt that the network cannot take.
        """
        from evalharness.backends.diffusion.rows import check_infilling

        if prompt.suffix is not None:
            if self._load_gemma():
                raise UserError(f"model {self._config.model} cannot infill; use --option recipe=suffix-first")
            check_infilling(self._load_network(), prompt)

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yields completions in the order of the requests, one batch at a time.

        A search for the length of a middle is a batch by itself.
        """
        if gemma := self._load_gemma():
            from evalharness.backends.diffusion import diffusion_gemma

            yield from diffusion_gemma.generate(gemma, requests, sampling, self._options.trace)
            return
        network = self._load_network()
        for batch in batches(requests, self._config.batch_size):
            yield from self._generate_batch(network, batch, sampling)

    def _generate_batch(self, network: Network, batch: list[Request], sampling: Sampling) -> Iterator[Completion]:
        from evalharness.backends.diffusion.length_search import search_length
        from evalharness.backends.diffusion.rows import make_denoising, make_denoising_row
        from evalharness.backends.network.loading import engine_for
        from evalharness.backends.network.rows import can_generate, make_completion, run_batch
        from evalharness.diffusion.decoding import denoise

        trace, middle_length = self._options.trace, batch[0].problem.prompt.middle_length
        fixed_length = middle_length in ("oracle", "search")
        denoising = make_denoising(network, self._options, sampling, fixed_length)
        engine = engine_for(network, self._options, denoising.sampler, denoising)
        if middle_length == "search":
            yield from (search_length(network, request, sampling, denoising, trace, engine) for request in batch)
            return
        rows = [make_denoising_row(network, request, sampling, denoising) for request in batch]
        active = [row for row in rows if can_generate(row)]
        started_at = now()
        error = run_batch(partial(denoise, network.model, active, denoising, engine))
        for request, row in zip(batch, rows, strict=True):
            yield make_completion(network.detokenizer, request, row, started_at, len(active), trace, error)

    def describe(self) -> Mapping[str, Any]:
        """Returns everything that can change a number. Loads the network; raises UserError if that fails."""
        from evalharness.backends.diffusion.rows import resolve_decoding
        from evalharness.backends.network.loading import describe

        if gemma := self._load_gemma():
            from evalharness.backends.diffusion import diffusion_gemma

            return {**diffusion_gemma.describe(gemma), "options": {"trace": self._options.trace}}
        network = self._load_network()
        options = self._options.model_dump(include={"steps", "bound", "edit", "trace", "revision"})
        options |= resolve_decoding(network, self._options)
        return {**describe(network), "batch_size": self._config.batch_size, "options": options}

    def close(self) -> None:
        """Frees the network."""
        self._network = self._gemma = None

    def _load_gemma(self) -> DiffusionGemma | None:
        """Returns the model if it is a DiffusionGemma, which transformers decodes with its own sampler; else None."""
        from evalharness.diffusion.checkpoints.loading import find_folder, read_json

        if self._gemma is None and self._network is None and self._config.model is not None:
            folder = find_folder(self._config.model, self._options.revision)
            if read_json(folder / "config.json").get("model_type") == "diffusion_gemma":
                from evalharness.backends.diffusion import diffusion_gemma

                self._gemma = diffusion_gemma.load(self._config.model, folder, self._options)
        return self._gemma

    def _load_network(self) -> Network:
        from evalharness.backends.network.loading import load_network

        if self._network is None:
            network = load_network(self._config.model, self._options)
            if not network.family.diffusion:
                raise UserError(f"model {network.name} is not a diffusion model; use --backend ar")
            self._network = network
        return self._network
