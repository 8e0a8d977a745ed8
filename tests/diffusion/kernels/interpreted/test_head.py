"""The output head: statistics over the vocabulary without logits."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare, gumbel_r, kstest

from evalharness.diffusion.kernels.fp8 import Matrix, quantize_to_fp8
from evalharness.diffusion.kernels.head import (
    AddedLogits,
    SamplingNoise,
    TokenStatistics,
    allocate_workspace,
    gumbel_noise_reference,
    head_tile_shape,
    predict_tokens,
    predict_tokens_reference,
)
from evalharness.diffusion.rows import Sampler

LIVE = torch.ones(1, dtype=torch.int32)
NONE = torch.empty(0, dtype=torch.int32)


def find(states, weight, banned=NONE, rows=None, places=None, total=None, **more) -> TokenStatistics:
    weight = weight if isinstance(weight, Matrix) else Matrix(weight)
    rows = torch.arange(len(states), dtype=torch.int32) if rows is None else rows
    places = rows if places is None else places
    total = total or len(states)
    found = TokenStatistics(torch.full((total,), -1, dtype=torch.int32), *torch.full((4, total), math.nan))
    # More space than rows, as when some positions are final; entries after the count are invalid.
    most = len(rows) + 3
    pad = torch.full((3,), 10**6, dtype=torch.int32)
    space = allocate_workspace(weight.values.shape[0], most, "cpu")
    space[0].fill_(math.nan)
    count = torch.tensor([len(rows)], dtype=torch.int32)
    rows, places = torch.cat((rows, pad)), torch.cat((places, pad))
    predict_tokens(states, weight, rows, places, count, banned, space, found, total, LIVE, **more)
    return found


def check(found: TokenStatistics, expected: TokenStatistics) -> None:
    assert found.proposed.tolist() == expected.proposed.tolist()
    for name in ("probability", "second", "entropy"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("rows", "hidden", "vocabulary"), [(1, 64, 40), (5, 80, 300), (20, 32, 257), (70, 16, 130)])
def test_statistics_equal_those_of_the_logits(rows, hidden, vocabulary):
    torch.manual_seed(rows)
    states, weight = torch.randn(rows, hidden), torch.randn(vocabulary, hidden) / 4
    banned = torch.tensor([0, vocabulary - 1], dtype=torch.int32)
    check(find(states, weight, banned), predict_tokens_reference(states, Matrix(weight), banned))


def test_half_precision_rounds_logits_like_the_head():
    torch.manual_seed(0)
    states, weight = torch.randn(8, 64).half(), (torch.randn(300, 64) / 4).half()
    found, expected = find(states, weight), predict_tokens_reference(states, Matrix(weight), NONE)
    assert found.proposed.tolist() == expected.proposed.tolist()
    torch.testing.assert_close(found.probability, expected.probability, rtol=5e-3, atol=1e-5)


def test_the_first_of_equal_logits_wins_within_and_across_tiles():
    weight = torch.zeros(300, 16)
    states = torch.ones(2, 16)
    assert find(states, weight).proposed.tolist() == [0, 0]
    weight[[140, 150, 290]] = 1.0
    found = find(states, weight, torch.tensor([140], dtype=torch.int32))
    assert found.proposed.tolist() == [150, 150]
    torch.testing.assert_close(found.second, found.probability)


def test_a_tile_of_only_banned_tokens_gives_no_nan():
    torch.manual_seed(0)
    tile = head_tile_shape(4)[0]
    states, weight = torch.randn(4, 16), torch.randn(tile + 1, 16)
    banned = torch.tensor([tile], dtype=torch.int32)
    check(find(states, weight, banned), predict_tokens_reference(states, Matrix(weight), banned))


def test_only_selected_rows_are_read_and_only_their_positions_written():
    torch.manual_seed(0)
    states, weight = torch.randn(6, 32), torch.randn(90, 32)
    states[[0, 2, 3, 5]] = math.nan
    rows, places = torch.tensor([4, 1], dtype=torch.int32), torch.tensor([7, 2], dtype=torch.int32)
    found = find(states, weight, rows=rows, places=places, total=9)
    expected = predict_tokens_reference(states[[4, 1]], Matrix(weight), NONE)
    assert found.proposed[[7, 2]].tolist() == expected.proposed.tolist()
    torch.testing.assert_close(found.entropy[[7, 2]], expected.entropy)
    assert found.probability.isnan().sum() == 7


def test_tokens_behind_the_rows_are_compared_with_the_predictions():
    torch.manual_seed(0)
    states, weight = torch.randn(5, 32), torch.randn(300, 32) / 4
    tokens, banned = torch.tensor([7, 3, 299, 9, 140], dtype=torch.int32), torch.tensor([9], dtype=torch.int32)
    rows, places = torch.tensor([3, 0, 2, 1, 4], dtype=torch.int32), torch.tensor([4, 1, 0, 3, 2], dtype=torch.int32)
    found = find(states, weight, banned, rows=rows, places=places, compared_tokens=tokens)
    behind = torch.tensor([3, 299, 9, 140, 0])
    expected = predict_tokens_reference(states, Matrix(weight), banned, compared_tokens=behind)
    assert found.share is not None
    assert expected.share is not None
    torch.testing.assert_close(found.share[places[:4].long()], expected.share[rows[:4].long()], rtol=1e-4, atol=1e-6)
    assert found.share[0] == 0, "a banned token has no probability"
    assert found.share[2] == 0, "nothing is behind the last row"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_logits_of_another_product_are_added(dtype):
    torch.manual_seed(0)
    states, weight = torch.randn(9, 16).to(dtype), (torch.randn(200, 16) / 4).to(dtype)
    parts, rows = torch.randn(2, 3 * 4, 200), torch.tensor([5, 0, 5], dtype=torch.int32)
    places, ids = torch.arange(3, dtype=torch.int32), torch.randperm(1000)[:200].int()
    noise = SamplingNoise(0.7, torch.tensor([3, 4, 5]), torch.tensor([8, 9, 7], dtype=torch.int32))
    found = TokenStatistics(torch.full((3,), -1, dtype=torch.int32), *torch.full((3, 3), math.nan))
    predict_tokens(
        states, Matrix(weight), rows, places, torch.tensor([3], dtype=torch.int32), NONE,
        allocate_workspace(200, 3, "cpu"), found, 1, LIVE, noise, added_logits=AddedLogits(parts, 1, 4, ids),
    )  # fmt: skip
    gumbel = torch.stack([gumbel_noise_reference(seed, seed + 5 - 3 * (seed == 5), 1000) for seed in (3, 4, 5)])
    expected = predict_tokens_reference(
        states[rows.long()], Matrix(weight), NONE, 0.7 * gumbel[:, ids.long()], added_logits=parts.sum(0)[1::4]
    )
    assert found.proposed.tolist() == expected.proposed.tolist()
    tolerance = 1e-5 if dtype == torch.float32 else 5e-3
    torch.testing.assert_close(found.probability, expected.probability, rtol=tolerance, atol=1e-6)


def test_eight_bit_weights_with_one_scale_per_token():
    torch.manual_seed(0)
    states, weight = torch.randn(3, 32), quantize_to_fp8(torch.randn(150, 32))
    check(find(states, weight), predict_tokens_reference(states, weight, NONE))


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(0, 2**20))
def test_samples_are_the_likeliest_tokens_with_seeded_noise(seed, draw):
    torch.manual_seed(1)
    states, weight = torch.randn(2, 16), torch.randn(200, 16) / 4
    noise = SamplingNoise(0.7, torch.tensor([seed]), torch.tensor([draw], dtype=torch.int32))
    offsets = 0.7 * torch.stack([gumbel_noise_reference(seed, draw + place, 200) for place in range(2)])
    check(find(states, weight, noise=noise), predict_tokens_reference(states, Matrix(weight), NONE, offsets))


@pytest.mark.parametrize("temperature", [0.6, 1.3])
def test_samples_have_the_same_distribution_as_those_of_pytorch(temperature):
    torch.manual_seed(2)
    sequences, length, vocabulary = 16, 64, 20
    logits = 2 * torch.randn(1, vocabulary)
    banned = Sampler(temperature, banned=(3,))
    seeds = torch.randint(0, 2**62, (sequences,))
    noise = SamplingNoise(temperature, seeds, torch.arange(sequences, dtype=torch.int32) * 1000)
    # The weights' first column equals the logits, so all positions have the same distribution.
    states, weight = torch.zeros(1, 16), torch.zeros(vocabulary, 16)
    states[0, 0], weight[:, 0] = 1.0, logits[0]
    rows, places = torch.zeros(length * sequences, dtype=torch.int32), torch.arange(length * sequences).int()
    found = draw(states, weight, banned.banned, rows, places, noise, length)
    again = draw(states, weight, banned.banned, rows[:64], places[64:128], noise, length)
    assert torch.equal(found[64:128], again[64:128])
    assert not torch.equal(found[:64], found[64:128])

    torch_path = banned.sample(
        banned.suppress_banned_tokens(logits.repeat(len(found), 1)), torch.rand(len(found)).tolist()
    )
    mine, theirs = (torch.bincount(tokens.long(), minlength=vocabulary) for tokens in (found, torch_path))
    expected = torch.softmax(banned.suppress_banned_tokens(logits.clone())[0] / temperature, 0) * len(found)
    assert mine[3] == theirs[3] == 0
    often = expected >= 5
    kinds = torch.stack([torch.cat((c[often], c[~often].sum()[None])) for c in (mine, theirs)]).numpy()
    share = torch.cat((expected[often], expected[~often].sum()[None])).double().numpy()
    kept = kinds.sum(0) > 0
    assert chisquare(kinds[0][kept], share[kept] * kinds[0].sum() / share[kept].sum()).pvalue > 1e-3
    assert chi2_contingency(kinds[:, kept]).pvalue > 1e-3


def draw(states, weight, banned, rows, places, noise, length):
    total = len(noise.seeds) * length
    found = TokenStatistics(torch.full((total,), -1, dtype=torch.int32), *torch.zeros(3, total))
    count = torch.tensor([len(places)], dtype=torch.int32)
    space = allocate_workspace(len(weight), len(places), "cpu")
    tokens = torch.tensor(banned, dtype=torch.int32)
    predict_tokens(states, Matrix(weight), rows, places, count, tokens, space, found, length, LIVE, noise)
    return found.proposed


def test_noise_has_the_gumbel_distribution_including_its_tail():
    noise = torch.cat([gumbel_noise_reference(12345, number, 4096) for number in range(64)]).double()
    assert kstest(noise.numpy(), gumbel_r.cdf).pvalue > 1e-3
    # Noise above 10 occurs once in 22,027 samples on average.
    assert abs(int((noise > 10).sum()) - len(noise) * -math.expm1(-math.exp(-10))) < 4 * math.sqrt(12)
