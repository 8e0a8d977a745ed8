"""Block diffusion in continuous batching, with the results of `decoding.denoise`."""

from collections.abc import Sequence

from torch import Tensor

from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.decoding import advance_blocks
from evalharness.diffusion.denoising import BlockState, Denoising, attention_limits
from evalharness.diffusion.forward import Segment
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row
from evalharness.diffusion.serving.decoder import Decoder, Frame, output_position


class Denoiser(Decoder):
    """Decodes one row of a changing batch by block diffusion."""

    wide = True

    def __init__(self, row: Row, denoising: Denoising, config: ModelConfig, traced: bool = False) -> None:
        super().__init__(row, denoising, traced)
        self._denoising, self._config = denoising, config
        self.block: BlockState | None = None
        row.text = row.prompt[: denoising.text_end(len(row.prompt))]

    def prefill_segment(self, size: int) -> Segment | None:
        """Returns the next prompt tokens to prefill; None if all are prefilled or the network is bidirectional.

        With block-causal attention they are whole blocks.
        """
        row, config, block = self.row, self._config, self._denoising.block
        if config.attention != "bidirectional" and row.cached < len(row.text):
            whole = max(1, size // block) * block if config.attention == "block_causal" else size
            start, end = row.cached, min(len(row.text), row.cached + whole)
            limits = attention_limits(config, block, start, end)
            row.cached = end
            return Segment(start, row.text[start:end], limits)
        row.cached = max(0, len(row.text) - config.shift) if config.attention != "bidirectional" else 0
        self.block = BlockState(row, canvas_left=row.canvas)
        self.block.open(self._denoising, config)
        return None

    def segment(self, model: Transformer) -> Segment:
        """Returns the row's input to the next forward pass: text that is not yet cached, and the block."""
        assert self.block is not None
        return self.block.segment(self._config, self._denoising.block)

    def advance(
        self, model: Transformer, hidden: Tensor, segments: Sequence[Segment], members: Sequence[Decoder]
    ) -> list[Row]:
        """Commits tokens in the block of each row after a forward pass."""
        blocks, traced = [], {}
        for member in members:
            assert isinstance(member, Denoiser)
            assert member.block is not None
            blocks.append(member.block)
            if member.traced:
                traced[id(member.block)] = member

        def keep_frame(block: BlockState) -> None:
            if id(block) in traced:
                traced[id(block)].frames.append(frame_of(block))

        return advance_blocks(model, hidden, blocks, segments, self._denoising, keep_frame if traced else None)


def frame_of(block: BlockState) -> Frame:
    """Returns the tokens of a block that the latest forward pass committed or changed."""
    first = output_position(block.row, block.start)
    return Frame(
        block.row.forward_passes,
        max(0, first),
        first + len(block.tokens),
        tuple(first + position for position in block.changed),
        tuple(block.tokens[position] for position in block.changed),
        tuple(block.confidence[position] for position in block.changed),
    )
