"""Decoder of one row (sequence) in continuous batching: the row's inputs to forward passes, and what a pass changed."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from torch import Tensor

from evalharness.diffusion.forward import RowInput
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row


@dataclass(frozen=True)
class DecodingFrame:
    """What one forward pass changed in a row (sequence), for display. Positions are those in the output, from 0."""

    forward_pass: int
    """The number of the forward pass among those of the row, from 1."""
    start: int
    """The first position that was not final before the pass: the block's start, or the next token's position."""
    end: int
    """The position after the last one that was not final."""
    positions: tuple[int, ...]
    """The positions whose token the pass changed."""
    tokens: tuple[int, ...]
    """Token ids at `positions`."""
    confidences: tuple[float, ...]
    """The network's probability of each of these tokens."""
    drafted: tuple[int, ...] = ()
    """Tokens that a drafting pass proposes for the positions from `start`; the next pass verifies them."""
    accepted: int = 0
    """The number of drafted tokens that the pass accepted."""
    rejected: tuple[int, ...] = ()
    """The drafted tokens that the pass rejected, for the positions after the accepted ones."""


class Decoder(ABC):
    """Decodes one row (sequence) in continuous batching: prepares its inputs, and processes the network's outputs.

    Rows with equal `batch_key` are processed in one call of `process_forward_pass`.
    """

    wide: bool = False
    """Whether a pass computes many tokens of the row, so that a shared batch saves little."""

    def __init__(self, row: Row, settings: Hashable, traced: bool) -> None:
        """`traced`: whether the decoder stores what each pass changed (`frames`) and computes confidences."""
        self.row, self.settings, self.traced = row, settings, traced
        self.frames: list[DecodingFrame] = []
        """What the passes changed since the frames were last taken."""

    @property
    def batch_key(self) -> Hashable:
        """A value that is equal for decoders whose rows `process_forward_pass` can process in one call."""
        return (type(self), self.settings)

    @abstractmethod
    def next_prefill_input(self, token_count: int) -> RowInput | None:
        """Returns the next part of the prompt to prefill, about `token_count` tokens; None if nothing is left."""

    def extend_drafter_context(  # noqa: B027 -- most decoders have no drafter
        self, target_states: Tensor, start_position: int
    ) -> None:
        """Passes the target's hidden states of a forward pass to the row's drafter, if it has one.

        `target_states` [1, T, taps * hidden] are those of the row's tokens from position `start_position`.
        """

    @abstractmethod
    def next_input(self, model: Transformer) -> RowInput:
        """Returns the row's input to the next forward pass."""

    @abstractmethod
    def process_forward_pass(
        self, model: Transformer, hidden_states: Tensor, inputs: Sequence[RowInput], decoders: "Sequence[Decoder]"
    ) -> list[Row]:
        """Processes a forward pass for several decoders at once: writes the predicted tokens to their rows.

        `decoders` have the same `batch_key` as this one. `inputs` are their inputs to the pass, and `hidden_states`
        [decoders, T, hidden] the pass's final hidden states. Returns the rows that have new final output tokens.
        """


def to_output_index(row: Row, text_position: int) -> int:
    """Returns a token's index in the row's output; `text_position` is its position counted from the prompt's start."""
    return text_position - len(row.prompt)
