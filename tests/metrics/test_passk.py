"""pass@k against exact counting and the official estimator, and which samples a rate covers."""

import random
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from evalplus.eval import estimate_pass_at_k
from hypothesis import given
from hypothesis import strategies as st

from evalharness.metrics.intervals import wilson_interval
from evalharness.metrics.passk import count_samples_by_problem, pass_at_k, pass_rates, pass_rates_by_facet
from evalharness.records import Problem, Prompt, Status, Verdict


@given(st.integers(1, 200), st.data())
def test_pass_at_k_equals_exact_counting(samples: int, data: st.DataObject) -> None:
    passed = data.draw(st.integers(0, samples))
    k = data.draw(st.integers(1, samples))
    exact = 1 - Fraction(comb(samples - passed, k), comb(samples, k))
    assert pass_at_k(samples, passed, k) == pytest.approx(float(exact), abs=1e-12)


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30)), min_size=1, max_size=10), st.integers(1, 30))
def test_pass_at_k_equals_the_official_estimator(counts: list[tuple[int, int]], k: int) -> None:
    counts = [(samples, min(samples, passed)) for samples, passed in counts if samples >= k]
    ours = [pass_at_k(samples, passed, k) for samples, passed in counts]
    official = estimate_pass_at_k([samples for samples, _ in counts], [passed for _, passed in counts], k)
    assert np.allclose(ours, official, rtol=0, atol=1e-12)


def test_fewer_samples_than_k() -> None:
    with pytest.raises(ValueError, match="pass@10 needs at least 10 samples of each problem, not 9"):
        pass_at_k(9, 9, 10)


def verdicts(outcomes: dict[str, list[bool | None]], base: bool = False) -> list[Verdict]:
    """One verdict per outcome; None is a sample with status `infrastructure`."""
    statuses: dict[bool | None, Status] = {True: "passed", False: "failed", None: "infrastructure"}
    return [
        Verdict(
            task_id, number, bool(passed), statuses[passed], base_passed=True if base and passed is not None else None
        )
        for task_id, row in outcomes.items()
        for number, passed in enumerate(row)
    ]


def test_one_sample_per_problem_has_wilsons_interval() -> None:
    estimates = pass_rates(count_samples_by_problem(verdicts({str(number): [number < 3] for number in range(10)})))
    assert set(estimates) == {"pass@1"}
    assert estimates["pass@1"]["value"] == pytest.approx(0.3)
    assert estimates["pass@1"]["ci95"] == pytest.approx(wilson_interval(3, 10))


def test_infrastructure_failures_are_in_no_rate() -> None:
    estimates = pass_rates(
        count_samples_by_problem(verdicts({"a": [True], "b": [False], "c": [None], "d": [None, True]}))
    )
    assert estimates["pass@1"]["value"] == pytest.approx(2 / 3)
    assert pass_rates(count_samples_by_problem(verdicts({"a": [None]}))) == {}
    assert pass_rates(count_samples_by_problem([])) == {}


def test_a_k_is_left_out_where_a_problem_has_fewer_samples() -> None:
    rows: dict[str, list[bool | None]] = {"a": [True] * 5, "b": [False] * 5}
    assert set(pass_rates(count_samples_by_problem(verdicts(rows)))) == {"pass@1", "pass@5"}
    rows["b"][2] = None
    assert set(pass_rates(count_samples_by_problem(verdicts(rows)))) == {"pass@1"}
    assert set(pass_rates(count_samples_by_problem(verdicts(rows)), (1, 2, 4, 5))) == {"pass@1", "pass@2", "pass@4"}


def test_problems_have_equal_weight_whatever_their_number_of_samples() -> None:
    estimates = pass_rates(count_samples_by_problem(verdicts({"a": [*[True] * 9, False], "b": [False]})))
    assert estimates["pass@1"]["value"] == pytest.approx(0.45)


def test_the_base_tests_of_plus_tasks_have_their_own_rates() -> None:
    estimates = pass_rates(count_samples_by_problem(verdicts({"a": [True, False], "b": [False, None]}, base=True)))
    assert set(estimates) == {"pass@1", "base_pass@1"}
    assert estimates["pass@1"]["value"] == pytest.approx(0.25)
    assert estimates["base_pass@1"]["value"] == 1.0


def test_rates_do_not_depend_on_the_order_of_the_rows() -> None:
    """Rows are written in the order of judgement, which differs from run to run."""
    rng = random.Random(0)
    rows = verdicts({str(number): [rng.random() < 0.4 for _ in range(4)] for number in range(30)})
    estimates = pass_rates(count_samples_by_problem(rows))
    rng.shuffle(rows)
    assert pass_rates(count_samples_by_problem(rows)) == estimates


def test_rates_by_facet() -> None:
    months = {"a": {"month": "2024-08"}, "b": {"month": "2024-08"}, "c": {"month": "2024-09"}, "d": {}}
    problems = {name: Problem(name, Prompt(), {}, "", facets=facets) for name, facets in months.items()}
    rows = [Verdict(name, 0, name != "b", "failed" if name == "b" else "passed") for name in months]
    estimates = pass_rates_by_facet(count_samples_by_problem(rows), problems)["month"]
    assert {kind: value["problems"] for kind, value in estimates.items()} == {"2024-08": 2, "2024-09": 1}
    assert [value["metrics"]["pass@1"]["value"] for value in estimates.values()] == [0.5, 1.0]
    assert estimates["2024-08"]["metrics"] == pass_rates(count_samples_by_problem(rows[:2]))
