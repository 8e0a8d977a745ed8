"""One row of a changing batch: what the next pass computes for it, and what a pass changed in it."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from torch import Tensor

from evalharness.diffusion.forward import Segment
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row


@dataclass(frozen=True)
class Frame:
    """What one forward pass changed in a row. Positions count the row's output tokens from 0."""

    forward_pass: int
    """The number of the pass among those of the row, from 1."""
    start: int
    """The first position that was open before the pass: the block's, or that of the next token."""
    end: int
    """The position after the last one that was open."""
    positions: tuple[int, ...]
    """The positions that have another token since this pass."""
    tokens: tuple[int, ...]
    """Their token ids."""
    confidences: tuple[float, ...]
    """The network's probability of each of these tokens."""
    drafted: tuple[int, ...] = ()
    """Tokens that a drafting pass proposes for the positions from `start`; the next pass verifies them."""
    accepted: int = 0
    """The number of drafted tokens that the pass accepted."""
    rejected: tuple[int, ...] = ()
    """The drafted tokens that the pass rejected, for the positions after the accepted ones."""


class Decoder(ABC):
    """Decodes one row. Rows whose decoders have equal `settings` are advanced together."""

    def __init__(self, row: Row, settings: Hashable, traced: bool) -> None:
        """`traced`: whether `frames` are kept and confidences computed."""
        self.row, self.settings, self.traced = row, settings, traced
        self.frames: list[Frame] = []
        """What the passes changed since the frames were last taken."""

    @property
    def group(self) -> Hashable:
        """Decoders of equal groups are advanced together."""
        return (type(self), self.settings)

    @abstractmethod
    def prefill_segment(self, size: int) -> Segment | None:
        """Returns up to about `size` tokens of the prompt that are to be computed next; None if all are."""

    def observe(self, states: Tensor, start: int) -> None:  # noqa: B027 -- most decoders have no drafter
        """Takes the tapped states [1, T, ...] of a pass over this row's tokens from position `start`."""

    @abstractmethod
    def segment(self, model: Transformer) -> Segment:
        """Returns the tokens that the next pass computes for this row."""

    def split(self, segment: Segment) -> tuple[Segment, Segment] | None:
        """Returns a segment as a part whose states are only cached, and the rest; None if all states are needed."""
        return None

    @abstractmethod
    def advance(
        self, model: Transformer, hidden: Tensor, segments: Sequence[Segment], members: "Sequence[Decoder]"
    ) -> list[Row]:
        """Advances all `members` of this decoder's group after a pass over their `segments`.

        `hidden` are the members' states [members, T, hidden]. Returns the rows with new final output.
        """


def output_position(row: Row, position: int) -> int:
    """Returns the index among the output tokens of a position in the row's text."""
    return position - len(row.prompt)
