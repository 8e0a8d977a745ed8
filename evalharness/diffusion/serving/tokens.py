"""Autoregressive decoding in continuous batching, with the results of `autoregression.autoregress`."""

from collections.abc import Sequence

from torch import Tensor

from evalharness.diffusion.autoregression import push_token
from evalharness.diffusion.decoding import token_statistics
from evalharness.diffusion.forward import Segment, causal_segment, gather_states
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, Sampler
from evalharness.diffusion.serving.decoder import Decoder, Frame


class CausalDecoder(Decoder):
    """Base class of left-to-right decoders: prefill covers all but the last token of the prompt."""

    sampler: Sampler

    def prefill_segment(self, size: int) -> Segment | None:
        """Returns the next prompt tokens to prefill; None if only the last one is left."""
        row = self.row
        end = min(len(row.prompt) - 1, row.cached + size)
        if row.cached < end:
            segment = causal_segment(row.cached, row.prompt[row.cached : end])
            row.cached = end
            return segment
        row.text = list(row.prompt)
        return None


class AutoregressiveDecoder(CausalDecoder):
    """Decodes one row of a changing batch autoregressively, one token per forward pass."""

    def __init__(self, row: Row, sampler: Sampler, traced: bool = False) -> None:
        super().__init__(row, sampler, traced)
        self.sampler = sampler

    def segment(self, model: Transformer) -> Segment:
        """Returns the row's last token, the input of the next forward pass."""
        return causal_segment(self.row.cached, self.row.text[self.row.cached :])

    def advance(
        self, model: Transformer, hidden: Tensor, segments: Sequence[Segment], members: Sequence[Decoder]
    ) -> list[Row]:
        """Appends one sampled token to each row."""
        rows = [member.row for member in members]
        tokens, confidences = next_tokens(
            model, hidden, [(number, 0) for number in range(len(rows))], _random_numbers(rows, self.sampler),
            self.sampler, any(member.traced for member in members),
        )  # fmt: skip
        for member, token, confidence in zip(members, tokens, confidences, strict=True):
            row, position = member.row, len(member.row.output)
            row.forward_passes += 1
            push_token(row, token, confidence)
            if member.traced:
                kept = len(row.output) > position
                member.frames.append(
                    Frame(
                        row.forward_passes, position, position + 1, (position,) * kept, (token,) * kept,
                        (confidence,) * kept,
                    )
                )  # fmt: skip
        return rows


def _random_numbers(rows: Sequence[Row], sampler: Sampler) -> list[float]:
    return [row.uniform(len(row.text) - len(row.prompt)) for row in rows] if sampler.temperature else []


def next_tokens(
    model: Transformer,
    hidden: Tensor,
    sources: Sequence[tuple[int, int]],
    uniforms: Sequence[float],
    sampler: Sampler,
    with_confidence: bool,
) -> tuple[list[int], list[float]]:
    """Returns the sampled token after each of the (row, token) `sources` of a forward pass, and its probability.

    Without `with_confidence` all probabilities are 1.
    """
    logits = sampler.mask_banned(model.logits(gather_states(hidden, sources)))
    chosen = sampler.sample(logits, uniforms)
    tokens: list[int] = chosen.tolist()
    if not with_confidence:
        return tokens, [1.0] * len(tokens)
    return tokens, token_statistics(logits, chosen, False)[0].tolist()
