"""Running steps until all sequences are done."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from evalharness.diffusion.kernels.graphs import AHEAD, capture_steps, run_until_done, steps_per_graph


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_a_deeper_network_gets_no_more_steps_per_launch(one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert steps_per_graph(small) >= steps_per_graph(large) >= 1
    assert steps_per_graph(small) * small >= AHEAD


def test_shallow_networks_have_several_steps_per_launch() -> None:
    assert [steps_per_graph(9 * layers) for layers in (2, 6, 24)] == [8, 3, 1]


def test_steps_run_until_no_sequence_is_live() -> None:
    live, made = torch.zeros(1, dtype=torch.int32), []

    def step() -> None:
        made.append(int(live))
        live.sub_(1)

    advance = capture_steps(step, 4, live)
    assert made == []
    live.fill_(3)
    run_until_done(advance, live)
    assert made == [3, 2, 1]


def test_a_different_first_step_runs_once() -> None:
    live, made = torch.full((1,), 3, dtype=torch.int32), []

    def step(name: str) -> None:
        made.append(name)
        live.sub_(1)

    run_until_done(lambda: step("going on"), live, lambda: step("opening"))
    assert made == ["opening", "going on", "going on"]
