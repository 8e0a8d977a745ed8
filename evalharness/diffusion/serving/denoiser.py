"""Block diffusion in continuous batching, with the results of `decoding.denoise`."""

from collections.abc import Sequence

from torch import Tensor

from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.decoding import advance_blocks
from evalharness.diffusion.denoising import BlockState, DenoisingSettings, last_attended_positions
from evalharness.diffusion.forward import RowInput
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row
from evalharness.diffusion.serving.decoder import Decoder, DecodingFrame, to_output_index


class DenoisingDecoder(Decoder):
    """Decodes one row by block diffusion, in continuous batching."""

    wide = True

    def __init__(self, row: Row, denoising: DenoisingSettings, config: ModelConfig, traced: bool = False) -> None:
        super().__init__(row, denoising, traced)
        self._denoising, self._config = denoising, config
        self.block: BlockState | None = None
        row.text = row.prompt[: denoising.prefilled_prompt_length(len(row.prompt))]

    def next_prefill_input(self, token_count: int) -> RowInput | None:
        """Returns the next part of the prompt to prefill, about `token_count` tokens; None if nothing is left.

        With block-causal attention the part consists of whole blocks. Bidirectional networks have no prefill.
        """
        row, config, block = self.row, self._config, self._denoising.block
        if config.attention != "bidirectional" and row.cached < len(row.text):
            whole = max(1, token_count // block) * block if config.attention == "block_causal" else token_count
            start, end = row.cached, min(len(row.text), row.cached + whole)
            limits = last_attended_positions(config, block, start, end)
            row.cached = end
            return RowInput(start, row.text[start:end], limits)
        row.cached = max(0, len(row.text) - config.shift) if config.attention != "bidirectional" else 0
        self.block = BlockState(row, canvas_left=row.canvas)
        self.block.start_next_block(self._denoising, config)
        return None

    def next_input(self, model: Transformer) -> RowInput:
        """Returns the row's input to the next forward pass: text that is not in the KV cache yet, then the block."""
        assert self.block is not None
        return self.block.next_input(self._config, self._denoising.block)

    def process_forward_pass(
        self, model: Transformer, hidden_states: Tensor, inputs: Sequence[RowInput], decoders: Sequence[Decoder]
    ) -> list[Row]:
        """Writes predicted tokens to the block of each row after a forward pass; see `Decoder.process_forward_pass`."""
        blocks, traced = [], {}
        for decoder in decoders:
            assert isinstance(decoder, DenoisingDecoder)
            assert decoder.block is not None
            blocks.append(decoder.block)
            if decoder.traced:
                traced[id(decoder.block)] = decoder

        def record_frame(block: BlockState) -> None:
            if id(block) in traced:
                traced[id(block)].frames.append(make_decoding_frame(block))

        return advance_blocks(model, hidden_states, blocks, inputs, self._denoising, record_frame if traced else None)


def make_decoding_frame(block: BlockState) -> DecodingFrame:
    """Returns a frame with the tokens that the latest forward pass wrote to a block, over masks or other tokens."""
    first = to_output_index(block.row, block.start)
    return DecodingFrame(
        block.row.forward_passes,
        max(0, first),
        first + len(block.tokens),
        tuple(first + position for position in block.changed),
        tuple(block.tokens[position] for position in block.changed),
        tuple(block.confidence[position] for position in block.changed),
    )
