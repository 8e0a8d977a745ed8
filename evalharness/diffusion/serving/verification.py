"""Speculative decoding in continuous batching, with the results of `drafting.decoding.draft_and_verify`."""

from collections.abc import Sequence

from torch import Tensor

from evalharness.diffusion.drafting.decoding import verify_and_append_drafts
from evalharness.diffusion.drafting.proposals import Draft, DraftingSettings, DraftProposer
from evalharness.diffusion.forward import RowInput, make_causal_input
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, Sampler
from evalharness.diffusion.serving.decoder import Decoder, DecodingFrame
from evalharness.diffusion.serving.tokens import CausalDecoder


class SpeculativeDecoder(CausalDecoder):
    """Decodes one row by speculative decoding in continuous batching, with drafts of prompt lookup or a drafter.

    Each row has its own prompt lookup and its own acceptance estimates.
    """

    def __init__(self, row: Row, drafting: DraftingSettings, sampler: Sampler, traced: bool = False) -> None:
        super().__init__(row, (sampler, drafting.threshold), traced)
        self.sampler, self._drafting = sampler, drafting
        capacity = len(row.prompt) + row.stop_checker.limit + 4 * (drafting.max_length + 2)
        self._proposer = DraftProposer(drafting, [row], sampler, capacity)
        self._draft = Draft()
        row.drafts = []

    def extend_drafter_context(self, target_states: Tensor, start_position: int) -> None:
        """Passes the target's hidden states of a forward pass to the drafter; see `Decoder.extend_drafter_context`."""
        self._proposer.extend_drafter_context(target_states, [start_position])

    def next_input(self, model: Transformer) -> RowInput:
        """Returns the row's input to the next forward pass: its last token and a new draft, which the pass verifies."""
        self._draft = self._proposer.propose([self.row])[0]
        return make_causal_input(self.row.cached, [self.row.text[-1], *self._draft.tokens])

    def process_forward_pass(
        self, model: Transformer, hidden_states: Tensor, inputs: Sequence[RowInput], decoders: Sequence[Decoder]
    ) -> list[Row]:
        """Appends the accepted draft tokens and the target's next token to each row.

        See `Decoder.process_forward_pass`.
        """
        verifiers = [decoder for decoder in decoders if isinstance(decoder, SpeculativeDecoder)]
        rows, drafts = [decoder.row for decoder in decoders], [verifier._draft for verifier in verifiers]
        traced = any(decoder.traced for decoder in decoders)
        accepted = verify_and_append_drafts(
            model, hidden_states, rows, drafts, self.sampler, self._drafting.threshold, traced
        )
        for verifier, row_input, count in zip(verifiers, inputs, accepted, strict=True):
            verifier._record_verified_draft(row_input.start, count)
        return rows

    def _record_verified_draft(self, start_position: int, accepted_tokens: int) -> None:
        row, draft = self.row, self._draft
        self._proposer.record_verification([row], [start_position], [draft], [accepted_tokens])
        if self.traced:
            first = start_position + 1 - len(row.prompt)
            tokens = tuple(row.output[first:])
            self.frames.append(
                DecodingFrame(
                    row.forward_passes, first, first + 1 + len(draft.tokens), tuple(range(first, len(row.output))),
                    tokens, tuple(row.confidences[first:]), (), accepted_tokens, tuple(draft.tokens[accepted_tokens:]),
                )
            )  # fmt: skip
