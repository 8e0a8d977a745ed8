"""Sampling on the device."""

from collections import Counter

import pytest
from helpers.tiny_network import END, MASK, new_row, tiny_model
from scipy.stats import chi2_contingency

from evalharness.diffusion.autoregression import decode_autoregressively
from evalharness.diffusion.decoding import denoise
from evalharness.diffusion.denoising import DenoisingSettings
from evalharness.diffusion.kernels.engine import Engine
from evalharness.diffusion.rows import Sampler
from evalharness.diffusion.rules import find_rule

DRAWN = Sampler(temperature=0.9, banned=(MASK,))
SHAPE = {"layers": 1, "heads": 2, "kv_heads": 1}


@pytest.mark.parametrize("rule", ["threshold", None])
def test_a_rows_samples_depend_only_on_its_seed(rule):
    network = tiny_model(6, **SHAPE)
    how = DenoisingSettings(find_rule("threshold", threshold=0.3, steps=4, block_length=4), 4, DRAWN)
    engine = Engine(network)

    def decoded(*seeds):
        rows = [new_row([5, 9, 4 + seed], 5, seed=seed) for seed in seeds]
        if rule:
            denoise(network, rows, how, engine)
        else:
            decode_autoregressively(network, rows, DRAWN, engine)
        return [(row.output, row.steps, row.forward_passes) for row in rows]

    first, second = decoded(1, 2)
    assert decoded(2, 1) == [second, first]
    assert decoded(2) == [second]
    other = new_row([5, 9, 5], 5, seed=77)
    denoise(network, [other], how, engine) if rule else decode_autoregressively(network, [other], DRAWN, engine)
    assert other.output != first[0]
    assert MASK not in first[0] + second[0]


def test_decoded_samples_have_the_same_distribution_as_those_of_pytorch():
    network = tiny_model(8, **SHAPE)
    how = DenoisingSettings(find_rule("static", threshold=1, steps=1, block_length=2), 2, DRAWN)
    mine, theirs = ([new_row([5, 9], 2, seed=number) for number in range(first, first + 100)] for first in (0, 1000))
    for rows, engine in ((mine, Engine(network)), (theirs, None)):
        denoise(network, rows, how, engine)
    assert [row.output for row in mine[:5]] != [mine[0].output] * 5
    for place in range(2):
        # An end token is none of the output.
        counts = [Counter((row.output + [END] * 2)[place] for row in rows) for rows in (mine, theirs)]
        common = [token for token, count in (counts[0] + counts[1]).items() if count >= 8]
        table = [[c[token] for token in common] + [100 - sum(c[token] for token in common)] for c in counts]
        table = [[row[at] for at in range(len(common) + 1) if table[0][at] + table[1][at]] for row in table]
        assert len(common) > 2
        assert chi2_contingency(table).pvalue > 1e-3
