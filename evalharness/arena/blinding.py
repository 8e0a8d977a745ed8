"""Hides the names of models in their answers, since a comment such as "written by Qwen" would end the blindness."""

import re

HIDDEN = "█████"
FAMILIES = (
    "claude", "codestral", "deepseek", "diffucoder", "gemini", "gpt", "llada", "llama", "mercury", "mistral",
)  # fmt: skip
"""Families of models whose names may stand anywhere in the name of a model."""
LEADING_FAMILY = re.compile(r"([a-z]{3,})-?\d")
"""The family at the start of a model's name, such as `qwen` in `qwen2.5-coder-7b` and `dream` in `dream-7b`."""


def hide_name(text: str, label: str, problem: str) -> str:
    """Returns the text with the name of a model, and that of its family, replaced by blocks.

    `label` is the model's label in reports. Words that the text of the problem has stay, and so do labels that are
    plain words, such as `reference`: such a label names a backend, not a model.
    """
    name = label.partition(" (")[0].casefold()
    family = LEADING_FAMILY.match(name)
    words = {name, *family.groups()} if family else {name}
    words |= {known for known in FAMILIES if known in name}
    for word in sorted(words, key=len, reverse=True):
        pattern = re.compile(rf"(?<![a-z]){re.escape(word)}(?![a-z])", re.IGNORECASE)
        if (word in FAMILIES or not word.isalpha() or word != name) and not pattern.search(problem):
            text = pattern.sub(HIDDEN, text)
    return text
