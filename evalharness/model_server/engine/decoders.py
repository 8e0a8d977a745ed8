"""Makes the decoder of a generation job from the code and options of the backends `ar` and `diffusion`."""

import threading
from collections.abc import Mapping

import torch

from evalharness.backends.ar import AROptions
from evalharness.backends.diffusion.options import DRAFTING_RULES, DiffusionOptions
from evalharness.backends.diffusion.rows import make_denoising_row, make_denoising_settings
from evalharness.backends.network.drafting import make_hybrid_drafting_settings, make_prompt_lookup_settings
from evalharness.backends.network.loading import Network
from evalharness.backends.network.rows import can_generate, make_row, make_sampler, tokenize_prompt
from evalharness.backends.options import parse_options
from evalharness.diffusion.drafting.network import Drafter
from evalharness.diffusion.drafting.proposals import DraftingSettings
from evalharness.diffusion.rows import Row
from evalharness.diffusion.serving.decoder import Decoder
from evalharness.diffusion.serving.denoiser import DenoisingDecoder
from evalharness.diffusion.serving.self_drafting import SelfSpeculativeDecoder
from evalharness.diffusion.serving.tokens import AutoregressiveDecoder
from evalharness.diffusion.serving.verification import SpeculativeDecoder
from evalharness.errors import UserError
from evalharness.model_server.engine.job import GenerationJob
from evalharness.records import Problem, Request, Sampling
from evalharness.util.http.refusals import RequestRefused

SEED_BITS = (1 << 63) - 1


class DecoderFactory:
    """Makes the decoders (autoregressive or block diffusion) of generation jobs for one network. Thread-safe."""

    def __init__(self, network: Network, drafter: Drafter | None, options: Mapping[str, Mapping[str, str]]) -> None:
        """`options`: the server's backend options by decoding method."""
        self.network, self.drafter, self._options = network, drafter, options
        self._draftings: dict[tuple[object, ...], DraftingSettings] = {}
        self._lock = threading.Lock()

    def make_decoder(self, job: GenerationJob) -> Decoder:
        """Returns the decoder of a generation job.

        Raises UserError for decoding options that the network does not support, and RequestRefused for a prompt that it
        does not support.
        """
        prompt = job.prompt
        if prompt.suffix is not None and not self.can_infill:
            raise RequestRefused(
                400,
                f"model {self.network.name} cannot infill: its tokenizer has no FIM sentinel tokens; leave out "
                "the parameter suffix",
                parameter="suffix",
            )
        if prompt.messages and not (
            self.network.family.user_prefix or getattr(self.network.tokenizer, "chat_template", None)
        ):
            raise RequestRefused(
                400,
                f"model {self.network.name} has no chat template; send the prompt as text to /v1/completions",
                parameter="messages",
            )
        request = Request(Problem("", prompt, {}, None), 0)
        limit = min(job.max_new_tokens, self.network.model.config.max_length)
        sampling = Sampling(job.temperature, job.top_p, limit, job.seed)
        options = {**self._options[job.decoding_method], **job.options}
        make = self._make_autoregressive_decoder if job.decoding_method == "ar" else self._make_diffusion_decoder
        decoder = make(request, sampling, options, job)
        if job.temperature > 0:
            decoder.row.generator = torch.Generator().manual_seed(job.seed & SEED_BITS)
        return decoder

    @property
    def can_infill(self) -> bool:
        """Whether the network can infill (FIM)."""
        return self.network.infilling is not None or self.network.model.config.attention == "bidirectional"

    def _make_autoregressive_decoder(
        self, request: Request, sampling: Sampling, options: Mapping[str, str], job: GenerationJob
    ) -> Decoder:
        """Returns a decoder that generates token by token or, if option `draft` is set, by speculative decoding."""
        network, chosen = self.network, parse_options(AROptions, "ar", options)
        sampler = make_sampler(network, sampling)
        row = self._make_autoregressive_row(request, sampling)
        if chosen.draft == "lookup":
            return SpeculativeDecoder(row, self.make_prompt_lookup_settings(), sampler, job.traced)
        if chosen.draft:
            if not network.family.can_draft:
                raise UserError(
                    f"parameter draft: model {network.name} is not trained for self-speculative decoding; send "
                    "draft=lookup"
                )
            return SelfSpeculativeDecoder(row, chosen.draft, sampler, job.traced)
        return AutoregressiveDecoder(row, sampler, job.traced)

    def _make_diffusion_decoder(
        self, request: Request, sampling: Sampling, options: Mapping[str, str], job: GenerationJob
    ) -> Decoder:
        """Returns a decoder that denoises blocks or, if option `rule` needs a drafter, decodes speculatively."""
        network, chosen = self.network, parse_options(DiffusionOptions, "diffusion", options)
        if chosen.rule in DRAFTING_RULES or not network.family.diffusion:
            if self.drafter is None:
                raise UserError(
                    f"parameter rule={chosen.rule} needs a drafter, and model {network.name} has none; send another "
                    "rule"
                )
            chosen.refuse_options_unused_by_rule(chosen.rule or "verified")
            threshold = 1.0
            if chosen.rule == "typical":
                threshold = 0.5 if chosen.threshold is None else chosen.threshold
            drafting = self._make_hybrid_drafting_settings(self.drafter, threshold, chosen.lookup, chosen.block)
            return SpeculativeDecoder(
                self._make_autoregressive_row(request, sampling), drafting, make_sampler(network, sampling), job.traced
            )
        denoising = make_denoising_settings(network, chosen, sampling, has_fixed_middle_length=False)
        row = _require_room_for_output(make_denoising_row(network, request, sampling, denoising), network)
        return DenoisingDecoder(row, denoising, network.model.config, job.traced)

    def _make_autoregressive_row(self, request: Request, sampling: Sampling) -> Row:
        ids = tokenize_prompt(self.network, request.problem.prompt)
        return _require_room_for_output(
            make_row(self.network, request, sampling, ids, sampling.max_new_tokens), self.network
        )

    def measure_forward_pass_times(self) -> None:
        """Measures the forward pass times from which draft lengths are chosen, or reads them from a cache."""
        if "ar" in self._options:
            self.make_prompt_lookup_settings()
        if self.drafter is not None:
            self._make_hybrid_drafting_settings(self.drafter, 1.0, True, None)

    def make_prompt_lookup_settings(self) -> DraftingSettings:
        """Returns the settings of speculative decoding by prompt lookup (n-gram matches); computes them only once."""
        with self._lock:
            if () not in self._draftings:
                self._draftings[()] = make_prompt_lookup_settings(self.network)
            return self._draftings[()]

    def _make_hybrid_drafting_settings(
        self, drafter: Drafter, acceptance_threshold: float, use_lookup: bool, max_draft_length: int | None
    ) -> DraftingSettings:
        """Returns the settings of speculative decoding by the drafter and, if `use_lookup`, by prompt lookup, too.

        They are computed once for each combination of the parameters, which are those of the function
        `make_hybrid_drafting_settings`.
        """
        key = (acceptance_threshold, use_lookup, max_draft_length)
        with self._lock:
            if key not in self._draftings:
                self._draftings[key] = make_hybrid_drafting_settings(
                    self.network, drafter, acceptance_threshold, use_lookup, max_draft_length
                )
            return self._draftings[key]


def _require_room_for_output(row: Row, network: Network) -> Row:
    """Returns the row unchanged. Raises RequestRefused if its prompt is empty or fills the context length."""
    if not row.prompt:
        raise RequestRefused(400, "the prompt is empty (no tokens); send some text", parameter="prompt")
    if not can_generate(row):
        size, context = len(row.prompt) + len(row.suffix), network.model.config.max_length
        raise RequestRefused(
            400,
            f"the prompt has {size} tokens and leaves no room for an answer: the context length of model "
            f"{network.name} is {context} tokens; shorten the prompt",
            parameter="prompt",
            code="context_length_exceeded",
        )
    return row
