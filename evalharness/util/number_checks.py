"""Checks numbers of command-line options against their limits."""

from collections.abc import Mapping

from evalharness.errors import UserError


def check_at_least(least: float, values: Mapping[str, float | None]) -> None:
    """Raises UserError for the first option whose value is below `least`; ignores values that are None.

    `values` has the value of each option, such as {"--limit": 3}.
    """
    for option, value in values.items():
        if value is not None and value < least:
            raise UserError(f"{option} {value} is not possible; it must be at least {least:g}")


def check_above_zero(values: Mapping[str, float | None]) -> None:
    """Raises UserError for the first option whose value is not above 0; ignores values that are None."""
    for option, value in values.items():
        if value is not None and value <= 0:
            raise UserError(f"{option} {value} is not possible; it must be greater than 0")
