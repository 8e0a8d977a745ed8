"""The log of a drafter's training run."""

from dataclasses import dataclass, field


@dataclass
class LogRow:
    """One row of a drafter's training log: losses, and after an evaluation the acceptance on held-out texts.

    Losses are weighted means over the positions of drafted blocks.
    """

    step: int
    spent_s: float
    texts: int
    loss: float
    cross_entropy: float
    distance: float
    agreed: float
    acceptance_length: float | None = None
    acceptance_by_position: list[float] = field(default_factory=list)

    def to_terminal_line(self) -> str:
        """Returns the row as a line of text for the terminal."""
        line = (
            f"step {self.step}  {self.spent_s:.0f} s  loss {self.loss:.3f}  cross-entropy {self.cross_entropy:.3f}  "
            f"distance {self.distance:.3f}  agreed {self.agreed:.3f}"
        )
        if self.acceptance_length is not None:
            rates = " ".join(f"{rate:.2f}" for rate in self.acceptance_by_position)
            line += f"  held-out acceptance length {self.acceptance_length:.3f} ({rates})"
        return line
