"""Splits a prompt into named parts, for printing."""

from evalharness.records import Prompt


def list_named_prompt_parts(prompt: Prompt) -> list[tuple[str, str]]:
    """Returns the parts of a prompt as (name, text) pairs, in order.

    A name is a chat role, "text", "prefix", "suffix" or "beginning of the answer".
    """
    parts: list[tuple[str, str]] = [(message.role, message.content) for message in prompt.messages]
    if prompt.text is not None:
        parts.append(("text" if prompt.suffix is None else "prefix", prompt.text))
    if prompt.suffix is not None:
        parts.append(("suffix", prompt.suffix))
    if prompt.prefill:
        parts.append(("beginning of the answer", prompt.prefill))
    return parts
