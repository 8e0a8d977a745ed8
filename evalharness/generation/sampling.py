"""Sampling of tokens whose random numbers depend on the sample, not on the batch in which it is generated."""

import hashlib
from collections.abc import Sequence

import torch

from evalharness.records import Key


def derive_sample_seed(run_seed: int, sample_key: Key) -> int:
    """Returns the seed of one sample's random numbers, below 2^63: a hash of the run's seed and the sample's key.

    The key is (task_id, sample_id). The seed is the same on every machine.
    """
    text = f"{run_seed}\0{sample_key[0]}\0{sample_key[1]}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class SeededSampler:
    """A transformers logits processor that samples each row of a batch with the row's own random generator.

    It draws a token for each row, and sets the scores of all other tokens to -inf, so that greedy search selects the
    drawn token. The token at step t is drawn by inverse transform sampling with the t-th random number of the row's own
    generator. So, if the model computes the same logits, a sample does not depend on the size and order of its batch,
    and a resumed run produces the same samples.
    """

    def __init__(self, seeds: Sequence[int], temperature: float, top_p: float) -> None:
        """`seeds`: one per row of the batch; `temperature` > 0; `top_p` in (0, 1]."""
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._temperature = temperature
        self._top_p = top_p

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Returns scores [rows, vocabulary] that are 0 at each row's sampled token and -inf elsewhere."""
        # Cumulative sums over a large vocabulary need double precision, which MPS does not have.
        dtype = torch.float32 if scores.device.type == "mps" else torch.float64
        weights = torch.softmax(scores.to(dtype) / self._temperature, dim=-1)
        if self._top_p < 1.0:
            weights = apply_top_p(weights, self._top_p)
        tokens = sample_by_inverse_transform(weights, self._next_random_numbers().to(scores.device, dtype))
        return torch.full_like(scores, -torch.inf).scatter_(1, tokens, 0.0)

    def _next_random_numbers(self) -> torch.Tensor:
        """Returns the next random number in [0, 1) of each row's generator, as a tensor [rows, 1]."""
        return torch.stack([torch.rand(1, generator=generator) for generator in self._generators])


def apply_top_p(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """Returns `probabilities` [rows, vocabulary] with zeros outside the nucleus of top-p sampling, not renormalized.

    The nucleus is the smallest set of most probable tokens whose total probability reaches `top_p`, at least one token.
    Among equally probable tokens, those with the lowest ids are taken.
    """
    ordered, token_ids = probabilities.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(dim=-1) - ordered
    # Rounding may make the sum before the first token differ from zero.
    before[:, 0] = 0.0
    return torch.zeros_like(probabilities).scatter_(1, token_ids, ordered.masked_fill(before >= top_p, 0.0))


def sample_by_inverse_transform(weights: torch.Tensor, random_numbers: torch.Tensor) -> torch.Tensor:
    """Returns one token id per row, [rows, 1], drawn by inverse transform sampling.

    `weights` [rows, vocabulary] are the tokens' probabilities; they need not add up to 1, and a token of weight 0 is
    never chosen. `random_numbers` [rows, 1] are in [0, 1).
    """
    sums = weights.cumsum(dim=-1)
    total = sums[:, -1:]
    # Rounding may lift the product to the total, past the last token.
    target = torch.minimum(random_numbers * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(sums, target, right=True)
