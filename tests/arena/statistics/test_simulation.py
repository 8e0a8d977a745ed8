"""Simulated voters: a share of `benchmarks/arena_simulation.py`, which checks coverage in 1,000 simulations each."""

import pytest
from arena_simulation import SCENARIOS, Scenario, simulate

SIMULATIONS = 60
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.mark.parametrize("name", ["upper answer wins 80 %", "taste 1.0, unequal voters"])
def test_strengths_are_recovered_and_intervals_cover_them(name: str) -> None:
    result = simulate(BY_NAME[name], SIMULATIONS)
    assert result.bias < 0.1
    assert result.mean_ranking_right
    assert 0.90 < result.coverage < 0.99  # 300 dependent intervals
    assert result.naive_coverage < 0.75


def test_a_position_bias_of_80_percent_shifts_no_ranking_but_that_of_the_naive_fit() -> None:
    result = simulate(BY_NAME["upper 80 %, weaker model above in 80 %"], SIMULATIONS)
    assert result.mean_ranking_right
    assert result.bias < 0.1
    assert not result.naive_ranking_right
    assert result.naive_bias > 0.3


@pytest.mark.parametrize("unread", [0.0, 0.4, 0.8])
def test_votes_that_take_the_upper_answer_unread_shift_no_ranking(unread: float) -> None:
    scenario = Scenario("", strengths=(2.0, 1.0, 0.0, -1.0, -2.0), unread=unread, votes=60)
    result = simulate(scenario, 10)
    assert result.mean_ranking_right
    assert result.ranking > 0.9
