"""Sampling with random numbers that depend on the sample."""

import math
from pathlib import Path

import torch
from helpers.tiny_model import HEAD, SNOW_HEAD, backend, request
from transformers import TopPLogitsWarper

from evalharness.generation.sampling import SeededSampler, apply_top_p, derive_sample_seed, sample_by_inverse_transform
from evalharness.records import Request, Sampling


def texts(folder: Path, batch_size: int, requests: list[Request], sampling: Sampling) -> dict[tuple[str, int], str]:
    return {c.key: c.text for c in backend(folder, batch_size).generate(requests, sampling)}


def test_samples_depend_only_on_seed_and_key(model: Path) -> None:
    requests = [request(text, task_id=text, sample_id=j) for text in (HEAD, "d", SNOW_HEAD) for j in range(3)]
    sampling = Sampling(temperature=1.5, top_p=0.95, max_new_tokens=20, seed=7)
    first = texts(model, 1, requests, sampling)
    assert texts(model, 3, requests, sampling) == first
    assert texts(model, 4, requests[::-1], sampling) == first
    assert texts(model, 2, requests[5:], sampling).items() <= first.items()
    assert len({first["d", j] for j in range(3)}) == 3
    assert texts(model, 3, requests, Sampling(1.5, 0.95, 20, seed=8)) != first


def test_seeds_are_stable() -> None:
    assert derive_sample_seed(0, ("HumanEval/0", 0)) == 7497644185507188418
    assert len({derive_sample_seed(s, (t, j)) for s in range(3) for t in ("a", "b") for j in range(3)}) == 18


def test_drawn_tokens_follow_the_distribution() -> None:
    logits = torch.tensor([[2.0, 0.0, -math.inf, 1.0]])
    batch_size = 4000
    sampler = SeededSampler(list(range(batch_size)), temperature=2.0, top_p=1.0)
    tokens = sampler(torch.empty(0), logits.expand(batch_size, -1)).argmax(-1)
    shares = torch.bincount(tokens, minlength=4) / batch_size
    assert torch.allclose(shares, torch.softmax(logits[0] / 2, -1), atol=0.03)
    assert shares[2] == 0


def test_top_p_equals_that_of_transformers() -> None:
    torch.manual_seed(1)
    logits = torch.randn(16, 50, dtype=torch.float64) * 3
    for top_p in (0.05, 0.5, 0.9, 0.99):
        ours = apply_top_p(torch.softmax(logits, -1), top_p) > 0
        theirs = TopPLogitsWarper(top_p)(torch.empty(0), logits) > -math.inf
        assert torch.equal(ours, theirs)


def test_token_of_weight_zero_is_never_drawn() -> None:
    weights = torch.tensor([[0.0, 0.3, 0.0, 0.3, 0.0]])
    tokens = [
        int(sample_by_inverse_transform(weights, torch.tensor([[u]]))) for u in (0.0, 0.49, 0.51, 1 - 2**-24, 1.0)
    ]
    assert tokens == [1, 1, 3, 3, 3]
