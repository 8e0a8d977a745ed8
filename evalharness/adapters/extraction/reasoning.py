"""Separates a chat model's answer from the reasoning that precedes it in the same text."""

import re

TAG_NAMES = (
    r"think|thinking|thoughts?|reasoning|reflection|scratchpad|rationale|analysis|chain_of_thought|cot|seed:think|"
    r"antthinking|in(?:ner|ternal)_monologue|deep_?think"
)
REASONING_TAG = re.compile(
    rf"<\|?(?P<closes>/?)(?:{TAG_NAMES})\|?>|\[(?P<closes_bracket>/?)think\]|◁(?P<closes_triangle>/?)think▷"
    r"|<\|begin_of_thought\|>|(?P<end>(?:<\|end_of_thought\|>))|<\|start_thinking\|>|(?P<end_upper><\|end_thinking\|>)"
    r"|<unused94>|(?P<end_unused><unused95>)",
    re.IGNORECASE,
)
"""The marks around reasoning: tags, and special tokens of Magistral, Kimi, OpenThinker, Command A and MedGemma."""
QUOTES = "\"'`"
"""A tag beside a quote is ignored: it belongs to a string in a program or to a sentence about tags."""
CHANNEL_HEADER = re.compile(r"<\|channel\|>\s*(\w+)[^<]{0,200}(?:<\|constrain\|>[^<]{0,200})?<\|message\|>")
"""The start of a message in the harmony format of gpt-oss, with its channel."""
END_OF_MESSAGE = re.compile(r"<\|(?:end|return|call|start|channel)\|>")
BARE_FINAL_MARKER = "assistantfinal"
"""Marks the final message in harmony texts whose special tokens were removed; such texts begin with `analysis`."""


def without_reasoning(text: str) -> str:
    """Returns a model's answer without its reasoning, such as <think>...</think>; "" if only reasoning was generated.

    If the first tag is a closing tag, all text before it is reasoning: the chat template contains the opening tag.
    """
    if CHANNEL_HEADER.search(text):
        return "\n".join(_messages_in_harmony_channel(text, "final"))
    if text.lstrip().startswith("analysis") and BARE_FINAL_MARKER in text:
        return text.rpartition(BARE_FINAL_MARKER)[2]
    answer_parts: list[str] = []
    start, is_open = 0, False
    for tag in REASONING_TAG.finditer(text):
        if text[tag.end() : tag.end() + 1] in tuple(QUOTES) or text[max(0, tag.start() - 1) : tag.start()] in tuple(
            QUOTES
        ):
            continue
        if any(tag.groupdict().values()):
            answer_parts = [] if not is_open else answer_parts
            start, is_open = tag.end(), False
        elif not is_open:
            answer_parts.append(text[start : tag.start()])
            is_open = True
    return "".join([*answer_parts, "" if is_open else text[start:]])


def _messages_in_harmony_channel(text: str, channel_name: str) -> list[str]:
    """Returns the texts of the messages with the channel `channel_name` in an answer in gpt-oss's harmony format."""
    contents = []
    for match in CHANNEL_HEADER.finditer(text):
        if match[1] == channel_name:
            end = END_OF_MESSAGE.search(text, match.end())
            contents.append(text[match.end() : end.start() if end else len(text)])
    return contents
