"""How the host keeps ahead of the device."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from evalharness.diffusion.kernels.graphs import AHEAD, drain, per_launch, repeated


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_a_deeper_network_gets_no_more_steps_a_launch(one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert per_launch(small) >= per_launch(large) >= 1
    assert per_launch(small) * small >= AHEAD


def test_steps_of_a_shallow_network_are_several_and_of_a_deep_one_alone() -> None:
    assert [per_launch(9 * layers) for layers in (2, 6, 24)] == [8, 3, 1]


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


def test_a_first_step_of_another_kind_is_made_once() -> None:
    live, made = torch.full((1,), 3, dtype=torch.int32), []

    def step(name: str) -> None:
        made.append(name)
        live.sub_(1)

    drain(lambda: step("going on"), live, lambda: step("opening"))
    assert made == ["opening", "going on", "going on"]
