"""How the host keeps ahead of the device."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from evalharness.diffusion.kernels.graphs import drain, per_launch, repeated


@given(st.integers(1, 1 << 40), st.integers(1, 1 << 40))
def test_a_larger_network_gets_no_more_steps_a_launch(one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert 8 >= per_launch(small) >= per_launch(large) >= 1


def test_steps_of_a_small_network_are_many_and_of_a_large_one_alone() -> None:
    assert [per_launch(size) for size in (50_000_000, 1_000_000_000, 15_000_000_000)] == [8, 2, 1]


def test_steps_are_made_until_nothing_is_live() -> None:
    live, made = torch.zeros(1, dtype=torch.int32), []

    def step() -> None:
        made.append(int(live))
        live.sub_(1)

    advance = repeated(step, 4, live)
    assert made == []
    live.fill_(3)
    drain(advance, live)
    assert made == [3, 2, 1]
