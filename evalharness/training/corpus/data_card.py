"""The data card of a training corpus: what it contains, as JSON and as Markdown."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class PackageEntry:
    """A Python package whose source code is in the corpus: its version, license and number of tokens in the corpus."""

    version: str
    license: str
    tokens: int = 0


@dataclass
class DataCard:
    """The content of a training corpus's `data_card.json`: settings, counts, packages, dropped documents."""

    settings: dict[str, Any]
    """The `data` section of the training recipe (YAML file)."""
    documents: int = 0
    tokens: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    """Documents and tokens by document format, which the keys call view ("documents of view x", "tokens of view x"),
    and tokens by problem family.
    """
    dropped: dict[str, int] = field(default_factory=dict)
    """The number of documents dropped by decontamination, by reason."""
    packages: dict[str, PackageEntry] = field(default_factory=dict)


def data_card_markdown(card: DataCard) -> str:
    """Returns the data card of a training corpus as Markdown."""
    settings, counts = card.settings, card.counts
    views = [name.removeprefix("tokens of view ") for name in counts if name.startswith("tokens of view ")]
    families = [name.removeprefix("tokens of family ") for name in counts if name.startswith("tokens of family ")]
    packages = sorted(card.packages.items(), key=lambda item: -item[1].tokens)
    lines = [
        "# Training data",
        "",
        f"{card.documents:,} documents of {card.tokens:,} tokens; the last {settings['held_out']} are held out. "
        f"Built from {settings['functions']:,} generated functions (seed {settings['seed']}), each run on its "
        f"examples, and at most {settings['library']:,} functions of the standard library and of installed packages.",
        "",
        *_markdown_table(
            ("view", "documents", "tokens"),
            [(view, counts[f"documents of view {view}"], counts[f"tokens of view {view}"]) for view in views],
        ),
        "",
        *_markdown_table(("family", "tokens"), [(family, counts[f"tokens of family {family}"]) for family in families]),
        "",
        "## Decontamination",
        "",
        _describe_decontamination(settings["decontaminate"]),
        "",
        *_markdown_table(("dropped", "documents"), sorted(card.dropped.items())),
        "",
        "## Packages",
        "",
        *_markdown_table(
            ("package", "version", "license", "tokens"),
            [(name, entry.version, entry.license, entry.tokens) for name, entry in packages],
        ),
        "",
    ]
    return "\n".join(lines)


def _describe_decontamination(is_decontaminated: bool) -> str:
    if not is_decontaminated:
        return "None: this corpus is for trials, and scores of a model trained on it are meaningless."
    return (
        "A document was dropped if it shares with any prompt, solution or test of the benchmark data, including the "
        "bundled samples, a run of 20 code tokens, a sentence of eight words or more, or a function name with its "
        "parameters."
    )


def _markdown_table(headings: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    cells = [tuple(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row) for row in rows]
    return [f"| {' | '.join(row)} |" for row in (headings, tuple("---" for _ in headings), *cells)]
