"""Autoregressive decoding in continuous batching, with the results of `autoregression.decode_autoregressively`."""

from collections.abc import Sequence

from torch import Tensor

from evalharness.diffusion.autoregression import append_next_token
from evalharness.diffusion.decoding import compute_token_statistics
from evalharness.diffusion.forward import RowInput, gather_hidden_states, make_causal_input
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, Sampler
from evalharness.diffusion.serving.decoder import Decoder, DecodingFrame


class CausalDecoder(Decoder):
    """Base class of decoders that generate from left to right; they prefill the prompt without its last token."""

    sampler: Sampler

    def next_prefill_input(self, token_count: int) -> RowInput | None:
        """Returns the next prompt tokens to prefill, at most `token_count`; None if only the last token is left."""
        row = self.row
        end = min(len(row.prompt) - 1, row.cached + token_count)
        if row.cached < end:
            row_input = make_causal_input(row.cached, row.prompt[row.cached : end])
            row.cached = end
            return row_input
        row.text = list(row.prompt)
        return None


class AutoregressiveDecoder(CausalDecoder):
    """Decodes one row autoregressively in continuous batching, one token per forward pass."""

    def __init__(self, row: Row, sampler: Sampler, traced: bool = False) -> None:
        super().__init__(row, sampler, traced)
        self.sampler = sampler

    def next_input(self, model: Transformer) -> RowInput:
        """Returns the row's input to the next forward pass: its last token."""
        return make_causal_input(self.row.cached, self.row.text[self.row.cached :])

    def process_forward_pass(
        self, model: Transformer, hidden_states: Tensor, inputs: Sequence[RowInput], decoders: Sequence[Decoder]
    ) -> list[Row]:
        """Appends one sampled token to each row; see `Decoder.process_forward_pass`."""
        rows = [decoder.row for decoder in decoders]
        tokens, confidences = sample_next_tokens_and_confidences(
            model, hidden_states, [(number, 0) for number in range(len(rows))],
            _next_random_numbers(rows, self.sampler), self.sampler, any(decoder.traced for decoder in decoders),
        )  # fmt: skip
        for decoder, token, confidence in zip(decoders, tokens, confidences, strict=True):
            row, position = decoder.row, len(decoder.row.output)
            row.forward_passes += 1
            append_next_token(row, token, confidence)
            if decoder.traced:
                is_appended = len(row.output) > position
                decoder.frames.append(
                    DecodingFrame(
                        row.forward_passes, position, position + 1, (position,) * is_appended, (token,) * is_appended,
                        (confidence,) * is_appended,
                    )
                )  # fmt: skip
        return rows


def _next_random_numbers(rows: Sequence[Row], sampler: Sampler) -> list[float]:
    return [row.random_number(len(row.text) - len(row.prompt)) for row in rows] if sampler.temperature else []


def sample_next_tokens_and_confidences(
    model: Transformer,
    hidden: Tensor,
    row_token_indices: Sequence[tuple[int, int]],
    random_numbers: Sequence[float],
    sampler: Sampler,
    with_confidence: bool,
) -> tuple[list[int], list[float]]:
    """Returns sampled tokens and their probabilities, each predicted at a (row, token) index of a forward pass.

    `hidden` [rows, T, hidden] are the pass's hidden states. Without `with_confidence`, probabilities are not computed
    and all are 1.
    """
    logits = sampler.suppress_banned_tokens(model.logits(gather_hidden_states(hidden, row_token_indices)))
    chosen = sampler.sample(logits, random_numbers)
    tokens: list[int] = chosen.tolist()
    if not with_confidence:
        return tokens, [1.0] * len(tokens)
    return tokens, compute_token_statistics(logits, chosen, False).probability.tolist()
