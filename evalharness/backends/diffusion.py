"""The bundled network, or another by --model, decoded by block diffusion: many tokens in each pass.

`rule` says which of a block's tokens a pass fixes: threshold (those at least `threshold` sure), factor and
entropy-bounded (`bound`), confidence, margin, entropy and static (`steps` passes a block), dynamic (both), editing
(`threshold`, and `edit` for what is rewritten). What is not given comes with the model.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from evalharness.backends import BackendConfig, parse_options
from evalharness.backends.network_options import NetworkOptions, check_batch
from evalharness.errors import UserError
from evalharness.records import Completion, Prompt, Request, Sampling

if TYPE_CHECKING:
    from evalharness.backends.network import Network


class Options(NetworkOptions):
    """The backend's `--option key=value` pairs."""

    rule: (
        Literal[
            "threshold", "factor", "confidence", "margin", "entropy", "entropy-bounded", "static", "dynamic", "editing"
        ]
        | None
    ) = None
    threshold: float | None = Field(None, ge=0)
    steps: int | None = Field(None, ge=1)
    """Passes per block; by default as many as it has tokens."""
    bound: float | None = Field(None, gt=0)
    edit: float = Field(0.9, ge=0)
    block: int | None = Field(None, ge=1)
    """Tokens per block, where the model leaves a choice."""


class DiffusionBackend:
    """Generates by block diffusion with a network of ours; loads nothing before it is needed."""

    name = "diffusion"
    Options: ClassVar[type[BaseModel]] = Options

    def __init__(self, config: BackendConfig) -> None:
        """Raises UserError for a bad option or a batch size below 1."""
        check_batch(config)
        self._config = config
        self._options = parse_options(Options, self.name, config.options)
        self._loaded: Network | None = None

    def accept(self, prompt: Prompt) -> None:
        """Takes any text, and gaps as far as the network can. Raises UserError for others."""
        from evalharness.backends.gaps import check_gap

        if prompt.suffix is not None:
            check_gap(self._network(), prompt)

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yields completions in the order of the requests, a batch at a time; a search is a batch of its own."""
        from evalharness.backends.gaps import denoising, gap_row, search
        from evalharness.backends.network import completion
        from evalharness.diffusion.decoding import denoise

        network, waiting, options = self._network(), iter(requests), self._options
        while chunk := list(islice(waiting, self._config.batch_size)):
            policy = chunk[0].problem.prompt.middle
            how = denoising(network, options, sampling, fixed=policy in ("oracle", "search"))
            if policy == "search":
                yield from (search(network, request, sampling, how, options.trace) for request in chunk)
                continue
            rows = [gap_row(network, request, sampling, how) for request in chunk]
            able = [row for row in rows if row.prompt and row.watch.limit]
            started_at = time.time()
            if able:
                denoise(network.model, able, how)
            for request, row in zip(chunk, rows, strict=True):
                yield completion(network, request, row, started_at, len(able), options.trace)

    def describe(self) -> Mapping[str, Any]:
        """Everything that can change a number. Loads the model; raises UserError as that does."""
        from evalharness.backends.gaps import decoding_options
        from evalharness.backends.network import describe

        network = self._network()
        options = self._options.model_dump(include={"steps", "bound", "edit", "trace", "revision"})
        options |= decoding_options(network, self._options)
        return {**describe(network), "batch_size": self._config.batch_size, "options": options}

    def close(self) -> None:
        """Frees the model."""
        self._loaded = None

    def _network(self) -> Network:
        from evalharness.backends.network import load_network

        if self._loaded is None:
            network = load_network(self._config.model, self._options)
            if not network.family.diffusion:
                raise UserError(f"model {network.name} is no diffusion model; use --backend ar")
            self._loaded = network
        return self._loaded
