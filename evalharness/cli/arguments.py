"""Words of the command line that several commands take."""

from collections.abc import Sequence

import typer

from evalharness.errors import UserError


def show_help(context: typer.Context) -> None:
    """Prints the help of a group of commands where none of them is named."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def parse_key_values(pairs: Sequence[str]) -> dict[str, str]:
    """key=value pairs as a mapping. Raises UserError for anything else."""
    found = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise UserError(f"--option {pair!r} is not key=value")
        found[key.strip()] = value
    return found


def parse_names(text: str) -> tuple[str, ...]:
    """Names separated by commas, each once."""
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def parse_numbers(flag: str, text: str) -> tuple[int, ...]:
    """Whole numbers separated by commas. Raises UserError for anything else."""
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UserError(f"{flag} {text!r} is not a list of numbers such as 1,10") from None
