"""Hides the names of models in their answers, since a comment such as "written by Qwen" would reveal the model."""

import re

HIDDEN = "█████"
FAMILIES = (
    "claude", "codestral", "deepseek", "diffucoder", "gemini", "gpt", "llada", "llama", "mercury", "mistral",
)  # fmt: skip
"""Names of model families that are recognized anywhere in a model's name."""
LEADING_FAMILY = re.compile(r"([a-z]{3,})-?\d")
"""The family at the start of a model's name, such as `qwen` in `qwen2.5-coder-7b` and `dream` in `dream-7b`."""


def hide_model_name(text: str, model_label: str, problem_text: str) -> str:
    """Returns the text with the name of the model and of its family replaced by block characters.

    `model_label` is the model's label in reports. A name that also occurs in `problem_text` is not replaced. A label
    that is a plain word, such as `reference`, is not replaced either: it names a backend and not a model.
    """
    name = model_label.partition(" (")[0].casefold()
    family = LEADING_FAMILY.match(name)
    words = {name, *family.groups()} if family else {name}
    words |= {family_name for family_name in FAMILIES if family_name in name}
    for word in sorted(words, key=len, reverse=True):
        pattern = re.compile(rf"(?<![a-z]){re.escape(word)}(?![a-z])", re.IGNORECASE)
        if (word in FAMILIES or not word.isalpha() or word != name) and not pattern.search(problem_text):
            text = pattern.sub(HIDDEN, text)
    return text
