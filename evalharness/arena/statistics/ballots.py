"""Arena votes as NumPy arrays, the input of the Bradley-Terry fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class VoteOutcome(IntEnum):
    """A voter's choice between two answers, as an integer."""

    FIRST = 0
    SECOND = 1
    TIE = 2
    BOTH_BAD = 3


@dataclass(frozen=True)
class Ballots:
    """Arena votes as NumPy arrays with one entry per vote, the input of the Bradley-Terry fit."""

    models: tuple[str, ...]
    first: Integers
    """Index of the model whose answer was shown first."""
    second: Integers
    outcome: Integers
    """Values of `VoteOutcome`."""
    cluster: Integers
    """Number of the cluster that the vote belongs to: the votes of one cluster, such as a voter's, are dependent."""
    wait: Floats
    """log2(wait for the second answer / wait for the first); 0 if both appeared at once."""
    weight: Floats
    """How many votes an entry counts for; may be a fraction."""

    @classmethod
    def from_sequences(
        cls,
        models: Sequence[str],
        first_model_indices: Sequence[int] | Integers,
        second_model_indices: Sequence[int] | Integers,
        outcomes: Sequence[int] | Integers,
        cluster_numbers: Sequence[int] | Integers | None = None,
        log2_wait_ratios: Sequence[float] | Floats | None = None,
        weights: Sequence[float] | Floats | None = None,
    ) -> "Ballots":
        """Returns votes as arrays; each argument except `models` has one entry per vote.

        By default each vote is its own cluster and has weight 1, and both answers appeared at once.
        """
        count = len(first_model_indices)
        return cls(
            tuple(models),
            np.asarray(first_model_indices, np.int64),
            np.asarray(second_model_indices, np.int64),
            np.asarray(outcomes, np.int64),
            np.arange(count)
            if cluster_numbers is None
            else np.unique(np.asarray(cluster_numbers), return_inverse=True)[1],
            np.zeros(count) if log2_wait_ratios is None else np.asarray(log2_wait_ratios, float),
            np.ones(count) if weights is None else np.asarray(weights, float),
        )

    def __len__(self) -> int:
        return len(self.first)

    @property
    def cluster_count(self) -> int:
        """The number of clusters: groups of votes that depend on each other, such as all votes of one voter."""
        return int(self.cluster.max()) + 1 if len(self) else 0
