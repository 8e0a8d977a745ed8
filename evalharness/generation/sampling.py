"""Sampling whose draws belong to the sample and not to the batch it happens to be generated in."""

import hashlib
from collections.abc import Sequence

import torch

from evalharness.records import Key


def sample_seed(seed: int, key: Key) -> int:
    """A seed below 2^63 that depends on the run's seed and the sample's key alone, on every machine."""
    text = f"{seed}\0{key[0]}\0{key[1]}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class SeededSampler:
    """A logits processor that draws the next token of each row, to be followed by greedy choice.

    Row r's token at step t is found by inverting the cumulative distribution at the t-th number of the row's own
    generator. A batch of any size, in any order, thus gives a sample the same tokens (as far as the model gives
    it the same logits), and a resumed run goes on as if it had not been stopped. One number per row and step is
    all the randomness there is, so drawing costs next to nothing beside the forward pass.
    """

    def __init__(self, seeds: Sequence[int], temperature: float, top_p: float) -> None:
        """`seeds` has one entry per row of the batch; `temperature` > 0; `top_p` in (0, 1]."""
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._temperature = temperature
        self._top_p = top_p

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores [rows, vocabulary] that are 0 at the drawn token and -inf elsewhere."""
        # Cumulative sums over a large vocabulary lose too much in single precision, which is all that MPS has.
        wide = torch.float32 if scores.device.type == "mps" else torch.float64
        weights = torch.softmax(scores.to(wide) / self._temperature, dim=-1)
        if self._top_p < 1.0:
            weights = apply_top_p(weights, self._top_p)
        chosen = invert_cdf(weights, self._uniform().to(scores.device, wide))
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen, 0.0)

    def _uniform(self) -> torch.Tensor:
        """The next number in [0, 1) of each row, [rows, 1]."""
        return torch.stack([torch.rand(1, generator=generator) for generator in self._generators])


def apply_top_p(weights: torch.Tensor, top_p: float) -> torch.Tensor:
    """Probabilities [rows, vocabulary] with those outside the smallest set that reaches `top_p` set to zero.

    The likeliest token always stays. Equally likely tokens are taken in the order of their ids.
    """
    ordered, places = weights.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(dim=-1) - ordered
    # The first token's sum before it may be a rounding error away from zero, not zero.
    before[:, 0] = 0.0
    return torch.zeros_like(weights).scatter_(1, places, ordered.masked_fill(before >= top_p, 0.0))


def invert_cdf(weights: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """Token ids [rows, 1] at which the cumulative `weights` [rows, vocabulary] first pass `uniform` [rows, 1].

    `weights` need not add up to one; a token of weight zero is never chosen.
    """
    sums = weights.cumsum(dim=-1)
    total = sums[:, -1:]
    # Rounding may lift the product to the total, past the last token.
    target = torch.minimum(uniform * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(sums, target, right=True)
