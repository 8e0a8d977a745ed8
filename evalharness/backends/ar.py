"""The bundled network, or another by --model, decoded one token after the other.

With `draft=N` the network drafts N tokens by diffusion and verifies them itself: the same text in fewer passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, Field

from evalharness.backends import BackendConfig, parse_options
from evalharness.backends.network_options import NetworkOptions, check_batch
from evalharness.errors import UserError
from evalharness.generation.infilling import require_free_middle
from evalharness.records import Completion, Prompt, Request, Sampling
from evalharness.util.clock import now

if TYPE_CHECKING:
    from evalharness.backends.network import Network


class Options(NetworkOptions):
    """The backend's `--option key=value` pairs."""

    draft: int = Field(0, ge=0)
    """Tokens drafted at a time; 0: none, a pass per token."""


class AutoregressiveBackend:
    """Generates from left to right with a network of ours; loads nothing before it is needed."""

    name = "ar"
    Options: ClassVar[type[BaseModel]] = Options

    def __init__(self, config: BackendConfig) -> None:
        """Raises UserError for a bad option or a batch size below 1."""
        check_batch(config)
        self._config = config
        self._options = parse_options(Options, self.name, config.options)
        self._loaded: Network | None = None

    def accept(self, prompt: Prompt) -> None:
        """Takes any text, and a gap where the tokenizer has sentinel tokens for it. Raises UserError for others."""
        if prompt.suffix is None:
            return
        require_free_middle(self.name, prompt)
        if self._network().infilling is None:
            raise UserError(
                f"the tokenizer of model {self._network().name} has no sentinel tokens for infilling; use another "
                "model, or --option recipe=suffix-first"
            )

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yields completions in the order of the requests, a batch at a time."""
        from evalharness.backends.network import attempt, completion, encode, engine_for, make_row, make_sampler
        from evalharness.diffusion.autoregression import autoregress, speculate

        network, waiting, options = self._network(), iter(requests), self._options
        sampler, model = make_sampler(network, sampling), network.model
        engine = engine_for(network, options, sampler)
        while chunk := list(islice(waiting, self._config.batch_size)):
            prompts = [encode(network, request.problem.prompt) for request in chunk]
            rows = [
                make_row(network, request, sampling, ids, sampling.max_new_tokens)
                for request, ids in zip(chunk, prompts, strict=True)
            ]
            able = [row for row in rows if row.prompt and row.watch.limit]
            started_at = now()
            if options.draft:
                error = attempt(partial(speculate, model, able, options.draft, sampler))
            else:
                error = attempt(partial(autoregress, model, able, sampler, engine))
            for request, row in zip(chunk, rows, strict=True):
                yield completion(network.decoder, request, row, started_at, len(able), options.trace, error)

    def describe(self) -> Mapping[str, Any]:
        """Everything that can change a number. Loads the model; raises UserError as that does."""
        from evalharness.backends.network import describe

        options = self._options.model_dump(exclude={"dtype", "device", "threads", "kernels", "weights", "w8a8_rows"})
        return {**describe(self._network()), "batch_size": self._config.batch_size, "options": options}

    def close(self) -> None:
        """Frees the model."""
        self._loaded = None

    def _network(self) -> Network:
        from evalharness.backends.network import load_network, without_engine

        if self._loaded is None:
            network = load_network(self._config.model, self._options)
            if network.model.config.attention != "causal":
                raise UserError(f"model {network.name} does not write from left to right; use --backend diffusion")
            if self._options.draft and not network.family.drafts:
                raise UserError(f"option draft: model {network.name} was not trained to draft for itself; leave it out")
            self._loaded = without_engine(network, self._options, "drafts") if self._options.draft else network
        return self._loaded
