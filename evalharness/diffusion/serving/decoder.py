"""Decoder of one row in continuous batching: its input to the next forward pass, and what a pass changed."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from torch import Tensor

from evalharness.diffusion.forward import Segment
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row


@dataclass(frozen=True)
class Frame:
    """What one forward pass changed in a row (sequence). Positions count the row's output tokens from 0."""

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
    """Decodes one row (sequence) of a changing batch. Rows with equal `settings` are advanced in one call."""

    wide: bool = False
    """Whether a pass computes many tokens of the row, so that a shared batch saves little."""

    def __init__(self, row: Row, settings: Hashable, traced: bool) -> None:
        """`traced`: whether the decoder keeps what each pass changed (`frames`) and computes confidences."""
        self.row, self.settings, self.traced = row, settings, traced
        self.frames: list[Frame] = []
        """What the passes changed since the frames were last taken."""

    @property
    def group(self) -> Hashable:
        """What decides which rows `advance` may process in one call: those whose decoders have equal values."""
        return (type(self), self.settings)

    @abstractmethod
    def prefill_segment(self, size: int) -> Segment | None:
        """Returns about `size` further prompt tokens to prefill; None if the whole prompt is prefilled."""

    def observe(self, states: Tensor, start: int) -> None:  # noqa: B027 -- most decoders have no drafter
        """Receives the target's hidden states [1, T, ...] of a forward pass over the row's tokens.

        The first of these tokens is at position `start`.
        """

    @abstractmethod
    def segment(self, model: Transformer) -> Segment:
        """Returns the row's input tokens for the next forward pass."""

    @abstractmethod
    def advance(
        self, model: Transformer, hidden: Tensor, segments: Sequence[Segment], members: "Sequence[Decoder]"
    ) -> list[Row]:
        """Appends to all `members`, the rows with this decoder's `group`, what a forward pass predicted for them.

        `segments` were their input and `hidden` [members, T, hidden] are their states. Returns the rows with new final
        output.
        """


def output_position(row: Row, position: int) -> int:
    """Returns which output token of the row (from 0) is at this position of its text, which includes the prompt."""
    return position - len(row.prompt)
