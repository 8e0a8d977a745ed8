"""Plots the losses of a training run."""

from collections.abc import Mapping, Sequence
from pathlib import Path


def plot_losses(log_rows: Sequence[Mapping[str, float | int | str]], path: Path) -> None:
    """Writes a plot of the training log to the image `path`: loss per token against the number of trained tokens.

    Held-out losses are drawn as points.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for name, held_out, label, color in (
        ("ar", "held_ar", "next token", "#1f6fb2"),
        ("denoising", "held_denoising", "masked token", "#c4542d"),
    ):
        rows = [row for row in log_rows if name in row]
        axes.plot(
            [_millions_of_tokens(row) for row in rows],
            [float(row[name]) for row in rows],
            color=color,
            lw=1,
            label=label,
        )
        points = [row for row in log_rows if held_out in row]
        axes.plot(
            [_millions_of_tokens(row) for row in points], [float(row[held_out]) for row in points], "o", ms=4,
            color=color, label=f"{label}, held out",
        )  # fmt: skip
    axes.set(xlabel="training tokens (millions)", ylabel="loss (nats per token)", yscale="log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def _millions_of_tokens(log_row: Mapping[str, float | int | str]) -> float:
    return float(log_row["tokens"]) / 1e6
