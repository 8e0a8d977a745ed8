"""Separates a chat model's answer from the reasoning that precedes it in the same text."""

import re

NAMES = (
    r"think|thinking|thoughts?|reasoning|reflection|scratchpad|rationale|analysis|chain_of_thought|cot|seed:think|"
    r"antthinking|in(?:ner|ternal)_monologue|deep_?think"
)
TAG = re.compile(
    rf"<\|?(?P<closes>/?)(?:{NAMES})\|?>|\[(?P<closes_bracket>/?)think\]|◁(?P<closes_triangle>/?)think▷"
    r"|<\|begin_of_thought\|>|(?P<end>(?:<\|end_of_thought\|>))|<\|start_thinking\|>|(?P<end_upper><\|end_thinking\|>)"
    r"|<unused94>|(?P<end_unused><unused95>)",
    re.IGNORECASE,
)
"""The marks around reasoning: tags, and special tokens of Magistral, Kimi, OpenThinker, Command A and MedGemma."""
QUOTES = "\"'`"
"""A tag beside one of these is text of a program or of a sentence about tags."""
CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]{0,200}(?:<\|constrain\|>[^<]{0,200})?<\|message\|>")
"""The start of a message in the harmony format of gpt-oss, with its channel."""
END_OF_MESSAGE = re.compile(r"<\|(?:end|return|call|start|channel)\|>")
BARE_FINAL = "assistantfinal"
"""What is left of the start of the final message where special tokens are removed. The text begins with `analysis`."""


def without_reasoning(text: str) -> str:
    """Returns a model's answer without the reasoning in it; "" if the text is reasoning alone, or ends within it.

    A closing tag without an opening one ends reasoning that began before the text, as where the chat template opens it.
    """
    if CHANNEL.search(text):
        return "\n".join(_channel_messages(text, "final"))
    if text.lstrip().startswith("analysis") and BARE_FINAL in text:
        return text.rpartition(BARE_FINAL)[2]
    kept: list[str] = []
    start, is_open = 0, False
    for tag in TAG.finditer(text):
        if text[tag.end() : tag.end() + 1] in tuple(QUOTES) or text[max(0, tag.start() - 1) : tag.start()] in tuple(
            QUOTES
        ):
            continue
        if any(tag.groupdict().values()):
            kept = [] if not is_open else kept
            start, is_open = tag.end(), False
        elif not is_open:
            kept.append(text[start : tag.start()])
            is_open = True
    return "".join([*kept, "" if is_open else text[start:]])


def _channel_messages(text: str, channel: str) -> list[str]:
    """Returns the contents of the messages of one channel in a text of the harmony format (gpt-oss)."""
    contents = []
    for match in CHANNEL.finditer(text):
        if match[1] == channel:
            end = END_OF_MESSAGE.search(text, match.end())
            contents.append(text[match.end() : end.start() if end else len(text)])
    return contents
