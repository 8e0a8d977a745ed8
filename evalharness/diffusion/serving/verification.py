"""Speculative decoding in continuous batching, with the results of `drafting.decoding.draft_and_verify`."""

from collections.abc import Sequence

from torch import Tensor

from evalharness.diffusion.drafting.decoding import verify
from evalharness.diffusion.drafting.proposals import Draft, Drafting, Proposer
from evalharness.diffusion.forward import Segment, causal_segment
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, Sampler
from evalharness.diffusion.serving.decoder import Decoder, Frame
from evalharness.diffusion.serving.tokens import CausalDecoder


class Verifier(CausalDecoder):
    """Decodes one row by speculative decoding, with drafts of prompt lookup or a drafter.

    Each row has its own lookup and its own acceptance estimates.
    """

    def __init__(self, row: Row, drafting: Drafting, sampler: Sampler, traced: bool = False) -> None:
        super().__init__(row, (sampler, drafting.threshold), traced)
        self.sampler, self._drafting = sampler, drafting
        capacity = len(row.prompt) + row.watch.limit + 4 * (drafting.longest + 2)
        self._proposer = Proposer(drafting, [row], sampler, capacity)
        self._draft = Draft()
        row.drafts = []

    def observe(self, states: Tensor, start: int) -> None:
        """Passes the target's hidden states of a forward pass to the drafter."""
        self._proposer.observe(states, [start])

    def segment(self, model: Transformer) -> Segment:
        """Returns the row's last token and a draft, which the next forward pass verifies."""
        self._draft = self._proposer.propose([self.row])[0]
        return causal_segment(self.row.cached, [self.row.text[-1], *self._draft.tokens])

    def advance(
        self, model: Transformer, hidden: Tensor, segments: Sequence[Segment], members: Sequence[Decoder]
    ) -> list[Row]:
        """Appends accepted draft tokens and the target's next token to each row."""
        verifiers = [member for member in members if isinstance(member, Verifier)]
        rows, drafts = [member.row for member in members], [verifier._draft for verifier in verifiers]
        traced = any(member.traced for member in members)
        accepted = verify(model, hidden, rows, drafts, self.sampler, self._drafting.threshold, traced)
        for verifier, segment, count in zip(verifiers, segments, accepted, strict=True):
            verifier._record_draft(segment.start, count)
        return rows

    def _record_draft(self, start: int, accepted: int) -> None:
        row, draft = self.row, self._draft
        self._proposer.record([row], [start], [draft], [accepted])
        if self.traced:
            first = start + 1 - len(row.prompt)
            tokens = tuple(row.output[first:])
            self.frames.append(
                Frame(
                    row.forward_passes, first, first + 1 + len(draft.tokens), tuple(range(first, len(row.output))),
                    tokens, tuple(row.confidences[first:]), (), accepted, tuple(draft.tokens[accepted:]),
                )
            )  # fmt: skip
