"""Plots a drafter's training run: loss, and acceptance on held-out texts."""

from collections.abc import Sequence
from pathlib import Path

from evalharness.training.drafting.log import LogRow


def plot_training_log(log: Sequence[LogRow], path: Path) -> None:
    """Writes a plot of a drafter's training log to the image `path`: losses and acceptance on held-out texts."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    losses, lengths, positions = figure.subplots(1, 3)
    steps = [row.step for row in log]
    losses.plot(steps, [row.cross_entropy for row in log], lw=1, label="cross-entropy (nats)")
    losses.plot(steps, [row.distance for row in log], lw=1, label="L1 distance")
    losses.set(xlabel="step", ylabel="loss per position", yscale="log")
    losses.legend(frameon=False)
    measured = [row for row in log if row.acceptance_length is not None]
    lengths.plot([row.step for row in measured], [row.acceptance_length or 0 for row in measured], "o-", ms=4, lw=1)
    lengths.set(xlabel="step", ylabel="acceptance length, held out", ylim=(1, None))
    if measured:
        rates = measured[-1].acceptance_by_position
        positions.bar(range(1, len(rates) + 1), [100 * rate for rate in rates])
    positions.set(xlabel="position in the draft", ylabel="accepted (% of passes)", ylim=(0, 100))
    for axes in (losses, lengths, positions):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
