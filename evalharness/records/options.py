"""The description of an `--option` of a task, a backend or the sandbox, for tables."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OptionDescription:
    """The description of one `--option key=value`: a row of a table in the terminal or in the documentation."""

    name: str
    values: str
    """The allowed values: the choices, or the type with its limits."""
    default: str
    """The default as written on the command line; empty if the option is not set by default."""
    help: str
