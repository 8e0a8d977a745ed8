"""Self-speculative decoding in continuous batching, with the results of `autoregression.speculate`."""

from collections.abc import Hashable, Sequence

from torch import Tensor

from evalharness.diffusion.autoregression import draft_segment, push_token
from evalharness.diffusion.forward import Segment, causal_segment
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, Sampler
from evalharness.diffusion.serving.decoder import Decoder, Frame
from evalharness.diffusion.serving.tokens import CausalDecoder, next_tokens


class SelfDrafter(CausalDecoder):
    """Decodes a row by self-speculation: the network drafts `length` tokens, and verifies them in the next pass."""

    wide = True

    def __init__(self, row: Row, length: int, sampler: Sampler, traced: bool = False) -> None:
        super().__init__(row, (length, sampler), traced)
        self.sampler, self._length = sampler, length
        self._draft: list[int] = []
        row.drafts = []

    @property
    def group(self) -> Hashable:
        """Whether the row drafts or verifies next, with its settings: rows with equal values are advanced together."""
        return (type(self), self.settings, bool(self._draft))

    def segment(self, model: Transformer) -> Segment:
        """Returns the row's next input: to draft, its last token and masks; to verify, the drafted tokens."""
        if self._draft:
            return causal_segment(len(self.row.text), self._draft)
        return draft_segment(self.row, self._length, model.config.mask_id)

    def advance(
        self, model: Transformer, hidden: Tensor, segments: Sequence[Segment], members: Sequence[Decoder]
    ) -> list[Row]:
        """Stores the drafts that a forward pass predicted for the rows, or accepts the tokens that it verified."""
        verifying, length = bool(self._draft), self._length
        places = range(length) if verifying else (0, *range(2, length + 1))
        sources = [(number, place) for number in range(len(members)) for place in places]
        uniforms = [
            member.row.uniform(len(member.row.output) + verifying + number)
            for member in members
            for number in range(length)
            if self.sampler.temperature
        ]
        traced = any(member.traced for member in members)
        tokens, confidences = next_tokens(model, hidden, sources, uniforms, self.sampler, traced)
        for number, member in enumerate(members):
            assert isinstance(member, SelfDrafter)
            part = slice(number * length, (number + 1) * length)
            if verifying:
                member._accept_verified(tokens[part], confidences[part])
            else:
                member._take_draft(tokens[part])
        return [member.row for member in members] if verifying else []

    def _take_draft(self, tokens: list[int]) -> None:
        row, self._draft = self.row, tokens
        row.forward_passes += 1
        if self.traced:
            position = len(row.output)
            self.frames.append(
                Frame(row.forward_passes, position, position + len(tokens), (), (), (), drafted=tuple(tokens))
            )

    def _accept_verified(self, following: list[int], confidences: list[float]) -> None:
        row, draft, position = self.row, self._draft, len(self.row.output)
        accepted = next((place for place in range(1, len(draft)) if draft[place] != following[place - 1]), len(draft))
        row.forward_passes += 1
        row.record_draft(position, draft, accepted, "self")
        tokens = (*draft[:accepted], following[accepted - 1])
        # The draft's first token follows from the drafting pass, which does not verify it.
        chances = (1.0, *confidences[:accepted])
        for token, chance in zip(tokens, chances, strict=True):
            if not row.ended:
                push_token(row, token, chance)
        self._draft = []
        if self.traced:
            kept = len(row.output) - position
            self.frames.append(
                Frame(
                    row.forward_passes, position, position + len(draft) + 1, tuple(range(position, position + kept)),
                    tokens[:kept], chances[:kept], (), min(accepted, kept), tuple(draft[accepted:]),
                )
            )  # fmt: skip
