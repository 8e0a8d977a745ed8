"""Speculative decoding in continuous batching, with the results of `drafting.decoding.draft_and_verify`."""

from collections.abc import Sequence

from torch import Tensor

from evalharness.diffusion.drafting.decoding import verify_drafts
from evalharness.diffusion.drafting.proposals import Draft, DraftingSettings, DraftProposer
from evalharness.diffusion.forward import RowInput, causal_input
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

    def observe_states(self, states: Tensor, start: int) -> None:
        """Passes the target's hidden states in a forward pass to the drafter; see `Decoder.observe_states`."""
        self._proposer.observe_states(states, [start])

    def next_input(self, model: Transformer) -> RowInput:
        """Returns the row's input to the next forward pass: its last token and a new draft, which the pass verifies."""
        self._draft = self._proposer.propose([self.row])[0]
        return causal_input(self.row.cached, [self.row.text[-1], *self._draft.tokens])

    def apply_predictions(
        self, model: Transformer, hidden: Tensor, inputs: Sequence[RowInput], members: Sequence[Decoder]
    ) -> list[Row]:
        """Appends the accepted draft tokens and the target's next token to each row.

        See `Decoder.apply_predictions`.
        """
        verifiers = [member for member in members if isinstance(member, SpeculativeDecoder)]
        rows, drafts = [member.row for member in members], [verifier._draft for verifier in verifiers]
        traced = any(member.traced for member in members)
        accepted = verify_drafts(model, hidden, rows, drafts, self.sampler, self._drafting.threshold, traced)
        for verifier, row_input, count in zip(verifiers, inputs, accepted, strict=True):
            verifier._record_draft(row_input.start, count)
        return rows

    def _record_draft(self, start: int, accepted: int) -> None:
        row, draft = self.row, self._draft
        self._proposer.record_verification([row], [start], [draft], [accepted])
        if self.traced:
            first = start + 1 - len(row.prompt)
            tokens = tuple(row.output[first:])
            self.frames.append(
                DecodingFrame(
                    row.forward_passes, first, first + 1 + len(draft.tokens), tuple(range(first, len(row.output))),
                    tokens, tuple(row.confidences[first:]), (), accepted, tuple(draft.tokens[accepted:]),
                )
            )  # fmt: skip
