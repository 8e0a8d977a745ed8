"""Self-speculative decoding in continuous batching, with the results of `autoregression.decode_self_speculatively`."""

from collections.abc import Hashable, Sequence

from torch import Tensor

from evalharness.diffusion.autoregression import append_next_token, make_drafting_input
from evalharness.diffusion.forward import RowInput, make_causal_input
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, Sampler
from evalharness.diffusion.serving.decoder import Decoder, DecodingFrame
from evalharness.diffusion.serving.tokens import CausalDecoder, sample_next_tokens_and_confidences


class SelfSpeculativeDecoder(CausalDecoder):
    """Decodes one row by self-speculation, in continuous batching.

    The network drafts `draft_length` tokens in one forward pass, and verifies them in the next one.
    """

    wide = True

    def __init__(self, row: Row, draft_length: int, sampler: Sampler, traced: bool = False) -> None:
        super().__init__(row, (draft_length, sampler), traced)
        self.sampler, self._length = sampler, draft_length
        self._draft: list[int] = []
        row.drafts = []

    @property
    def batch_key(self) -> Hashable:
        """The row's settings, and whether it drafts or verifies in the next pass; see `Decoder.batch_key`."""
        return (type(self), self.settings, bool(self._draft))

    def next_input(self, model: Transformer) -> RowInput:
        """Returns the row's input to the next forward pass.

        The input of a drafting pass is the row's last token and mask tokens; that of a verifying pass is the drafted
        tokens.
        """
        if self._draft:
            return make_causal_input(len(self.row.text), self._draft)
        return make_drafting_input(self.row, self._length, model.config.mask_id)

    def process_forward_pass(
        self, model: Transformer, hidden_states: Tensor, inputs: Sequence[RowInput], decoders: Sequence[Decoder]
    ) -> list[Row]:
        """Stores the tokens that a drafting pass predicted, or appends those that a verifying pass accepted.

        See `Decoder.process_forward_pass`.
        """
        verifying, length = bool(self._draft), self._length
        positions = range(length) if verifying else (0, *range(2, length + 1))
        sources = [(number, position) for number in range(len(decoders)) for position in positions]
        uniforms = [
            decoder.row.random_number(len(decoder.row.output) + verifying + number)
            for decoder in decoders
            for number in range(length)
            if self.sampler.temperature
        ]
        traced = any(decoder.traced for decoder in decoders)
        tokens, confidences = sample_next_tokens_and_confidences(
            model, hidden_states, sources, uniforms, self.sampler, traced
        )
        for number, decoder in enumerate(decoders):
            assert isinstance(decoder, SelfSpeculativeDecoder)
            part = slice(number * length, (number + 1) * length)
            if verifying:
                decoder._append_verified_tokens(tokens[part], confidences[part])
            else:
                decoder._store_draft(tokens[part])
        return [decoder.row for decoder in decoders] if verifying else []

    def _store_draft(self, tokens: list[int]) -> None:
        row, self._draft = self.row, tokens
        row.forward_passes += 1
        if self.traced:
            position = len(row.output)
            self.frames.append(
                DecodingFrame(row.forward_passes, position, position + len(tokens), (), (), (), drafted=tuple(tokens))
            )

    def _append_verified_tokens(self, target_tokens: list[int], confidences: list[float]) -> None:
        row, draft, position = self.row, self._draft, len(self.row.output)
        accepted = next(
            (index for index in range(1, len(draft)) if draft[index] != target_tokens[index - 1]), len(draft)
        )
        row.forward_passes += 1
        row.record_draft(position, draft, accepted, "self")
        tokens = (*draft[:accepted], target_tokens[accepted - 1])
        # The draft's first token follows from the drafting pass, which does not verify it.
        chances = (1.0, *confidences[:accepted])
        for token, chance in zip(tokens, chances, strict=True):
            if not row.ended:
                append_next_token(row, token, chance)
        self._draft = []
        if self.traced:
            appended = len(row.output) - position
            self.frames.append(
                DecodingFrame(
                    row.forward_passes,
                    start=position,
                    end=position + len(draft) + 1,
                    positions=tuple(range(position, position + appended)),
                    tokens=tokens[:appended],
                    confidences=chances[:appended],
                    accepted=min(accepted, appended),
                    rejected=tuple(draft[accepted:]),
                )
            )
