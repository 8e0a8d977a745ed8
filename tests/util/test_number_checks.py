"""Numbers of options: the message names the option, its value and the limit."""

import pytest

from evalharness.errors import UserError
from evalharness.util.number_checks import check_above_zero, check_at_least


def test_a_number_below_its_limit_is_named() -> None:
    with pytest.raises(UserError, match=r"^--n 0 is not possible; it must be at least 1$"):
        check_at_least(1, {"--limit": None, "--workers": 1, "--n": 0})
    with pytest.raises(UserError, match=r"^--temperature -0\.5 is not possible; it must be at least 0$"):
        check_at_least(0, {"--temperature": -0.5})
    check_at_least(1, {"--limit": None, "--n": 1})


def test_zero_is_not_above_zero() -> None:
    with pytest.raises(UserError, match=r"^--drain 0 is not possible; it must be greater than 0$"):
        check_above_zero({"--margin": None, "--drain": 0})
    check_above_zero({"--margin": 0.1})
