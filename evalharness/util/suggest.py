"""The error message for an unknown name, with similar names."""

from collections.abc import Sequence
from difflib import get_close_matches


def unknown_name(kind: str, name: str, known: Sequence[str]) -> str:
    """Returns the error message for an unknown name, with similar names if there are any, else with all known ones."""
    if not known:
        return f"unknown {kind} {name!r}; there are none, so leave it out"
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
    return f"unknown {kind} {name!r}; {hint}"
