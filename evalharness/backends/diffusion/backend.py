"""The backend `diffusion`: the bundled network, or another one by --model, decoded by block diffusion.

`rule` selects which masks of a block a denoising step replaces by predicted tokens: threshold (those with at least the
confidence `threshold`), factor and entropy-bounded (`bound`), confidence, margin, entropy and static (`steps` steps per
block), dynamic (both), editing (`threshold`, and `edit` for tokens to replace). An option that is not set has the
model's default.

An autoregressive network is decoded by speculative decoding: a drafter proposes tokens and the network verifies them.
Rule verified, the default, accepts only the tokens that the network would choose itself; rule typical also accepts
other likely tokens (`threshold`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from evalharness.backends.diffusion.options import DRAFTING_RULES, DiffusionOptions
from evalharness.backends.factory import BackendConfig
from evalharness.backends.options import parse_options
from evalharness.errors import UserError
from evalharness.generation.batching import check_batch_size, split_into_batches
from evalharness.generation.chat_template import why_chat_is_expected
from evalharness.generation.infilling import refuse_fixed_middle_length
from evalharness.records import Completion, Prompt, Request, Sampling
from evalharness.util.clock import now

if TYPE_CHECKING:
    from evalharness.backends.diffusion.diffusion_gemma import DiffusionGemma
    from evalharness.backends.network.loading import Network
    from evalharness.diffusion.drafting.network import Drafter
    from evalharness.diffusion.kernels.drafting.engine import SpeculativeEngine


class DiffusionBackend:
    """The backend `diffusion`: block diffusion decoding, or speculative decoding of an autoregressive network.

    Loads the network at the first use.
    """

    name = "diffusion"
    Options: ClassVar[type[BaseModel]] = DiffusionOptions

    def __init__(self, config: BackendConfig) -> None:
        """Raises UserError for an invalid option of backend `diffusion` or a batch size below 1."""
        check_batch_size(config.batch_size)
        self._config = config
        self._options = parse_options(DiffusionOptions, self.name, config.options)
        if self._options.rule:
            self._options.refuse_options_unused_by_rule(self._options.rule)
        self._network: Network | None = None
        self._gemma: DiffusionGemma | None = None
        self._drafting = False
        """Whether the network is autoregressive and verifies drafts."""
        self._drafter: Drafter | None = None
        """The drafter of an autoregressive network; None if drafts come from prompt lookup alone."""
        self._speculative_engine: SpeculativeEngine | None = None
        """Drafts and verifies on the fused kernels, if the network runs on them."""

    def check_prompt(self, prompt: Prompt) -> None:
        """Raises UserError for an infilling prompt that the network cannot complete. Other prompts are accepted.

        Loads the network for an infilling prompt.
        """
        from evalharness.backends.diffusion.rows import check_infilling_prompt

        if prompt.suffix is not None:
            if self._load_diffusion_gemma():
                raise UserError(
                    f"model {self._config.model} (DiffusionGemma) cannot infill; use --option recipe=suffix-first"
                )
            check_infilling_prompt(self._load_network(), prompt)
            if self._drafting:
                refuse_fixed_middle_length(self.name, prompt)

    def why_chat_is_expected(self) -> str:
        """Returns the reason to send chat messages rather than plain text to this model; "" if there is none.

        The reason is that the model's tokenizer has a chat template. Loads the network.
        """
        return why_chat_is_expected((self._load_diffusion_gemma() or self._load_network()).tokenizer)

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yields completions in the order of the requests, one batch at a time.

        With `--option recipe=length-search`, each request is its own batch, with one row (sequence) for each candidate
        length of the infilled middle.
        """
        if gemma := self._load_diffusion_gemma():
            from evalharness.backends.diffusion import diffusion_gemma

            yield from diffusion_gemma.generate_completions(gemma, requests, sampling, self._options.trace)
            return
        network = self._load_network()
        if self._drafting:
            yield from self._generate_speculatively(network, requests, sampling)
            return
        for batch in split_into_batches(requests, self._config.batch_size):
            yield from self._generate_batch(network, batch, sampling)

    def _generate_speculatively(
        self, network: Network, requests: Iterable[Request], sampling: Sampling
    ) -> Iterator[Completion]:
        """Yields completions in the order of the requests, by speculative decoding.

        A drafter network or prompt lookup drafts tokens, and the autoregressive network verifies them.
        """
        from evalharness.backends.network.drafting import (
            make_hybrid_drafting_settings,
            open_speculative_engine,
            select_speculative_engine,
        )
        from evalharness.backends.network.rows import (
            can_generate,
            make_completion,
            make_row,
            make_sampler,
            run_and_return_out_of_memory_message,
            tokenize_prompt,
        )
        from evalharness.diffusion.drafting.decoding import draft_and_verify

        options, sampler = self._options, make_sampler(network, sampling)
        threshold = self._acceptance_threshold()
        self._speculative_engine = self._speculative_engine or open_speculative_engine(network, self._drafter)
        engine = select_speculative_engine(self._speculative_engine, options, sampler)
        drafting = make_hybrid_drafting_settings(
            network, self._drafter, threshold, options.lookup, options.block, engine.costs if engine else None
        )
        for batch in split_into_batches(requests, self._config.batch_size):
            rows = [
                make_row(
                    network,
                    request,
                    sampling,
                    tokenize_prompt(network, request.problem.prompt),
                    sampling.max_new_tokens,
                )
                for request in batch
            ]
            active = [row for row in rows if can_generate(row)]
            started_at = now()
            error = run_and_return_out_of_memory_message(
                partial(draft_and_verify, network.model, active, sampler, drafting, engine)
            )
            for request, row in zip(batch, rows, strict=True):
                yield make_completion(network.detokenizer, request, row, started_at, len(active), options.trace, error)

    def _acceptance_threshold(self) -> float:
        """Returns the acceptance threshold of speculative decoding, from 0 to 1.

        A drafted token is accepted if the network gives it at least this fraction of the probability of the most likely
        token. With 1, only tokens that the network itself would choose are accepted.
        """
        if self._options.rule != "typical":
            return 1.0
        return 0.5 if self._options.threshold is None else self._options.threshold

    def _generate_batch(self, network: Network, batch: list[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yields the completions of one batch by block diffusion, in the order of the requests."""
        from evalharness.backends.diffusion.length_search import infill_with_length_search
        from evalharness.backends.diffusion.rows import make_denoising_row, make_denoising_settings
        from evalharness.backends.network.loading import select_engine
        from evalharness.backends.network.rows import (
            can_generate,
            make_completion,
            run_and_return_out_of_memory_message,
        )
        from evalharness.diffusion.decoding import denoise

        trace, middle_length = self._options.trace, batch[0].problem.prompt.middle_length
        has_fixed_middle_length = middle_length in ("oracle", "search")
        denoising = make_denoising_settings(network, self._options, sampling, has_fixed_middle_length)
        engine = select_engine(network, self._options, denoising.sampler, denoising)
        if middle_length == "search":
            yield from (
                infill_with_length_search(network, request, sampling, denoising, trace, engine) for request in batch
            )
            return
        rows = [make_denoising_row(network, request, sampling, denoising) for request in batch]
        active = [row for row in rows if can_generate(row)]
        started_at = now()
        error = run_and_return_out_of_memory_message(partial(denoise, network.model, active, denoising, engine))
        for request, row in zip(batch, rows, strict=True):
            yield make_completion(network.detokenizer, request, row, started_at, len(active), trace, error)

    def describe(self) -> Mapping[str, Any]:
        """Returns the backend's entry in the run's manifest: all settings that can change a result. Loads the network.

        Raises UserError if the network cannot be loaded.
        """
        from evalharness.backends.diffusion.rows import resolve_decoding_settings
        from evalharness.backends.network.loading import describe_network

        if gemma := self._load_diffusion_gemma():
            from evalharness.backends.diffusion import diffusion_gemma

            return {**diffusion_gemma.describe_diffusion_gemma(gemma), "options": {"trace": self._options.trace}}
        network = self._load_network()
        if self._drafting:
            from evalharness.backends.network.drafting import describe_drafter

            drafting_options = self._options.model_dump(include={"drafter", "lookup", "block", "trace", "revision"})
            drafting_options |= {"rule": self._options.rule or "verified", "threshold": self._acceptance_threshold()}
            drafter = describe_drafter(network, self._drafter)
            return {
                **describe_network(network),
                **drafter,
                "batch_size": self._config.batch_size,
                "options": drafting_options,
            }
        options = self._options.model_dump(include={"steps", "bound", "edit", "trace", "revision"})
        options |= {"hold_end": self._options.hold_end} if self._options.hold_end else {}
        options |= resolve_decoding_settings(network, self._options)
        return {**describe_network(network), "batch_size": self._config.batch_size, "options": options}

    def close(self) -> None:
        """Frees the network's memory."""
        self._network = self._gemma = self._drafter = self._speculative_engine = None

    def _load_diffusion_gemma(self) -> DiffusionGemma | None:
        """Returns the model if it is a DiffusionGemma, which the package transformers decodes; else None.

        The first call loads the model.
        """
        from evalharness.diffusion.checkpoints.loading import find_checkpoint_folder, is_gguf, read_json_object

        if self._config.model is not None and is_gguf(self._config.model):
            return None
        if self._gemma is None and self._network is None and self._config.model is not None:
            folder = find_checkpoint_folder(self._config.model, self._options.revision)
            if read_json_object(folder / "config.json").get("model_type") == "diffusion_gemma":
                from evalharness.backends.diffusion import diffusion_gemma

                self._gemma = diffusion_gemma.load_diffusion_gemma(self._config.model, folder, self._options)
        return self._gemma

    def _load_network(self) -> Network:
        """Returns the network; the first call loads it, and also its drafter if the network is autoregressive."""
        from evalharness.backends.network.drafting import drop_kernels_if_drafter_unsupported
        from evalharness.backends.network.loading import load_network

        if self._network is None:
            network = load_network(self._config.model, self._options)
            if self._options.rule in DRAFTING_RULES or not network.family.diffusion:
                self._drafter = self._load_drafter(network)
                self._drafting = True
                network = drop_kernels_if_drafter_unsupported(network, self._options, self._drafter)
            self._network = network
        return self._network

    def _load_drafter(self, network: Network) -> Drafter | None:
        """Returns the drafter for an autoregressive network; None if only prompt lookup drafts tokens.

        Raises UserError if the network is not autoregressive, or option `rule` is not a rule of speculative decoding.
        """
        from evalharness.backends.network.drafting import open_drafter_or_fall_back_to_lookup
        from evalharness.diffusion.drafting.packing import pack_target_weights

        rule = self._options.rule or "verified"
        if rule not in DRAFTING_RULES:
            raise UserError(
                f"model {network.name} is autoregressive, but --option rule={rule} is a rule for diffusion models; use "
                "rule=verified or rule=typical (speculative decoding), or --backend ar"
            )
        self._options.refuse_options_unused_by_rule(rule)
        if network.model.config.attention != "causal":
            raise UserError(
                f"option rule={rule} (speculative decoding) needs an autoregressive model, but {network.name} is a "
                "diffusion model; use another rule, or leave the option out"
            )
        drafter = open_drafter_or_fall_back_to_lookup(network, self._options.drafter, self._options.lookup)
        pack_target_weights(network.model)
        return drafter
