"""The error message for an unknown name, with similar names."""

from collections.abc import Sequence
from difflib import get_close_matches


def unknown_name_message(kind: str, name: str, known_names: Sequence[str]) -> str:
    """Returns the error message for an unknown name: it suggests similar known names or, if there are none, lists all.

    `kind` is the kind of thing that has the name, such as "task".
    """
    if not known_names:
        return f"unknown {kind} {name!r}; there are none, so leave it out"
    near = get_close_matches(name, known_names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known_names)}"
    return f"unknown {kind} {name!r}; {hint}"
