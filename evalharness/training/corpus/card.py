"""The data card of a corpus, for people."""

from collections.abc import Mapping
from typing import Any


def card_text(card: Mapping[str, Any]) -> str:
    """The card as Markdown: how much of what, from which packages, and what decontamination dropped."""
    settings, counts, dropped = card["settings"], card["counts"], card["dropped"]
    views = [name.removeprefix("tokens of view ") for name in counts if name.startswith("tokens of view ")]
    families = [name.removeprefix("tokens of family ") for name in counts if name.startswith("tokens of family ")]
    packages = sorted(card["packages"].items(), key=lambda pair: -pair[1]["tokens"])
    rows = {name: (counts[f"documents of view {name}"], counts[f"tokens of view {name}"]) for name in views}
    lines = [
        "# Training data",
        "",
        f"{card['documents']:,} documents of {card['tokens']:,} tokens; the last {settings['held_out']} are held out. "
        f"Made from {settings['functions']:,} generated functions (seed {settings['seed']}), each run on its examples, "
        f"and at most {settings['library']:,} functions of the standard library and of installed packages.",
        "",
        *_table(("view", "documents", "tokens"), [(name, *row) for name, row in rows.items()]),
        "",
        *_table(("family", "tokens"), [(name, counts[f"tokens of family {name}"]) for name in families]),
        "",
        "## Decontamination",
        "",
        _policy(settings["decontaminate"]),
        "",
        *_table(("dropped", "documents"), sorted(dropped.items())),
        "",
        "## Packages",
        "",
        *_table(
            ("package", "version", "licence", "tokens"),
            [(name, entry["version"], entry["licence"], entry["tokens"]) for name, entry in packages],
        ),
        "",
    ]
    return "\n".join(lines)


def _policy(decontaminated: bool) -> str:
    if not decontaminated:
        return "None was made: this corpus is for trials, and no score of a model trained on it means anything."
    return (
        "A document was dropped that shares with any prompt, solution or test of the benchmark data, bundled samples "
        "included, a run of 20 code tokens, a sentence of eight words or more, or a function name with its parameters."
    )


def _table(heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    cells = [tuple(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row) for row in rows]
    return [f"| {' | '.join(row)} |" for row in (heads, tuple("---" for _ in heads), *cells)]
