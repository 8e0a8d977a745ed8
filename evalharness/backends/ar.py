"""The backend `ar`: the bundled network, or another one by --model, decoded autoregressively.

With `draft=N` the network drafts N tokens by diffusion and verifies them itself (self-speculative decoding): the same
text in fewer forward passes. With `draft=lookup` drafts come from prompt lookup (n-gram matches), for any network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from evalharness.backends.factory import BackendConfig
from evalharness.backends.network.options import NetworkOptions
from evalharness.backends.options import parse_options
from evalharness.errors import UserError
from evalharness.generation.batching import check_batch_size, split_into_batches
from evalharness.generation.chat_template import why_chat_is_expected
from evalharness.generation.infilling import refuse_fixed_middle_length
from evalharness.records import Completion, Prompt, Request, Sampling
from evalharness.util.clock import now

if TYPE_CHECKING:
    from evalharness.backends.network.loading import Network
    from evalharness.diffusion.kernels.drafting.engine import SpeculativeEngine
    from evalharness.diffusion.rows import Row, Sampler


class AROptions(NetworkOptions):
    """The `--option key=value` settings of the backend `ar` (autoregressive decoding)."""

    draft: Annotated[int, Field(ge=0)] | Literal["lookup"] = Field(
        0,
        description="Number of tokens that the network drafts and then verifies; 0: no drafting; lookup: draft what "
        "followed the same tokens earlier in prompt and answer (prompt lookup), with any model",
    )
    packed: bool | None = Field(
        None,
        description="On a CPU, in float32: store the matrices in oneDNN's packed layout, with which passes over "
        "several tokens are faster; by default with draft and with a batch size above 1",
    )


class AutoregressiveBackend:
    """The backend `ar`: generates text autoregressively, from left to right. Loads the network at the first use."""

    name = "ar"
    Options: ClassVar[type[BaseModel]] = AROptions

    def __init__(self, config: BackendConfig) -> None:
        """Raises UserError for an invalid option of backend `ar` or a batch size below 1."""
        check_batch_size(config.batch_size)
        self._config = config
        self._options = parse_options(AROptions, self.name, config.options)
        self._network: Network | None = None
        self._speculative_engine: SpeculativeEngine | None = None
        """Decodes with prompt lookup on the fused kernels, if the network runs on them."""

    def check_prompt(self, prompt: Prompt) -> None:
        """Raises UserError for an infilling prompt that the network cannot complete. Other prompts are accepted.

        Infilling needs a tokenizer with FIM sentinel tokens; a middle of a fixed length is not possible. Loads the
        network for an infilling prompt.
        """
        if prompt.suffix is None:
            return
        refuse_fixed_middle_length(self.name, prompt)
        network = self._load_network()
        if network.infilling is None:
            raise UserError(
                f"the tokenizer of model {network.name} lacks the FIM sentinel tokens that infilling needs; give "
                "--model a model that was trained to infill, or use --option recipe=suffix-first"
            )

    def why_chat_is_expected(self) -> str:
        """Returns the reason to send chat messages rather than plain text to this model; "" if there is none.

        The reason is that the model's tokenizer has a chat template. Loads the network.
        """
        return why_chat_is_expected(self._load_network().tokenizer)

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yields completions in the order of the requests, one batch at a time."""
        from evalharness.backends.network.loading import select_engine
        from evalharness.backends.network.rows import (
            can_generate,
            make_completion,
            make_row,
            make_sampler,
            run_and_return_out_of_memory_message,
            tokenize_prompt,
        )
        from evalharness.diffusion.autoregression import decode_autoregressively, decode_self_speculatively

        network, options = self._load_network(), self._options
        sampler, model = make_sampler(network, sampling), network.model
        engine = select_engine(network, options, sampler)
        for batch in split_into_batches(requests, self._config.batch_size):
            prompts = [tokenize_prompt(network, request.problem.prompt) for request in batch]
            rows = [
                make_row(network, request, sampling, ids, sampling.max_new_tokens)
                for request, ids in zip(batch, prompts, strict=True)
            ]
            active = [row for row in rows if can_generate(row)]
            started_at = now()
            if options.draft == "lookup":
                error = run_and_return_out_of_memory_message(
                    partial(self._decode_with_prompt_lookup, network, active, sampler)
                )
            elif options.draft:
                error = run_and_return_out_of_memory_message(
                    partial(decode_self_speculatively, model, active, options.draft, sampler)
                )
            else:
                error = run_and_return_out_of_memory_message(
                    partial(decode_autoregressively, model, active, sampler, engine)
                )
            for request, row in zip(batch, rows, strict=True):
                yield make_completion(network.detokenizer, request, row, started_at, len(active), options.trace, error)

    def _decode_with_prompt_lookup(self, network: Network, rows: Sequence[Row], sampler: Sampler) -> None:
        """Generates the output of each row (one sequence of the batch) in place, by speculative decoding.

        Prompt lookup drafts the tokens, and the network verifies them.
        """
        from evalharness.backends.network.drafting import (
            make_prompt_lookup_settings,
            open_speculative_engine,
            select_speculative_engine,
        )
        from evalharness.diffusion.drafting.decoding import draft_and_verify

        self._speculative_engine = self._speculative_engine or open_speculative_engine(network, None)
        engine = select_speculative_engine(self._speculative_engine, self._options, sampler)
        drafting = make_prompt_lookup_settings(network, engine.costs if engine else None)
        draft_and_verify(network.model, rows, sampler, drafting, engine)

    def describe(self) -> Mapping[str, Any]:
        """Returns the backend's entry in the run's manifest: all settings that can change a result. Loads the network.

        Raises UserError if the network cannot be loaded.
        """
        from evalharness.backends.network.loading import describe_network

        options = self._options.model_dump(exclude={"dtype", "device", "threads", "kernels", "weights", "w8a8_rows"})
        return {**describe_network(self._load_network()), "batch_size": self._config.batch_size, "options": options}

    def close(self) -> None:
        """Frees the network's memory."""
        self._network = self._speculative_engine = None

    def _load_network(self) -> Network:
        """Returns the network; the first call loads it.

        Raises UserError for a diffusion model, and if the network does not support the options.
        """
        from evalharness.backends.network.loading import load_network, without_fused_kernels

        if self._network is None:
            network = load_network(self._config.model, self._options)
            if network.model.config.attention != "causal":
                raise UserError(
                    f"model {network.name} is a diffusion model, which backend ar cannot decode; use --backend "
                    "diffusion"
                )
            if self._options.draft not in (0, "lookup") and not network.family.can_draft:
                raise UserError(
                    f"option draft={self._options.draft}: model {network.name} is not trained for self-speculative "
                    "decoding; use --option draft=lookup"
                )
            if self._options.draft not in (0, "lookup"):
                network = without_fused_kernels(network, self._options, "drafts of option draft=N")
            self._network = network
            several = bool(self._options.draft) or self._config.batch_size > 1
            if several if self._options.packed is None else self._options.packed:
                from evalharness.diffusion.drafting.packing import pack_target_weights

                pack_target_weights(network.model)
        return self._network
