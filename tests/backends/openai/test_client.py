"""Pauses between the attempts of a request."""

import random

import pytest
from tenacity import RetryCallState

from evalharness.backends.openai.address import resolve_address
from evalharness.backends.openai.client import Client
from evalharness.backends.openai.failures import AttemptError
from evalharness.backends.openai.options import OpenAIOptions


def pause_s(attempt: int, retry_after_s: float | None) -> float:
    """Returns the pause in seconds after an attempt, counted from 1."""
    options = OpenAIOptions(retry_base_s=0.5)
    error = AttemptError("busy", retry_after_s)
    state = RetryCallState(None, None, (), {})  # type: ignore[arg-type]
    state.attempt_number = attempt
    state.set_exception((AttemptError, error, None))  # type: ignore[arg-type]
    return Client(resolve_address(options), options)._retry_pause_s(state)


@pytest.mark.parametrize(("attempt", "longest_s"), [(1, 0.5), (2, 1.0), (7, 32.0), (8, 60.0), (5000, 60.0)])
def test_pause_is_random_up_to_an_exponential_limit(
    attempt: int, longest_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = []
    monkeypatch.setattr(random, "uniform", lambda low, high: limits.append((low, high)) or high)
    assert pause_s(attempt, None) == longest_s
    assert pause_s(attempt, 3.0) == 3.0 + longest_s
    assert limits == [(0, longest_s)] * 2
