"""Checks numbers of command-line options against their limits."""

from collections.abc import Mapping

from evalharness.errors import UserError


def check_at_least(minimum: float, option_values: Mapping[str, float | None]) -> None:
    """Raises UserError for the first option whose value is below `minimum`; ignores values that are None.

    `option_values` has the value of each option, such as {"--limit": 3}.
    """
    for option, value in option_values.items():
        if value is not None and value < minimum:
            raise UserError(f"{option} {value} is not possible; it must be at least {minimum:g}")


def check_above_zero(option_values: Mapping[str, float | None]) -> None:
    """Raises UserError for the first option whose value is not above 0; ignores values that are None.

    `option_values` has the value of each option, such as {"--limit": 3}.
    """
    for option, value in option_values.items():
        if value is not None and value <= 0:
            raise UserError(f"{option} {value} is not possible; it must be greater than 0")
