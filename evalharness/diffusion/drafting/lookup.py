"""Prompt lookup decoding: drafts what followed the last time that the text's latest n-gram occurred.

Source: prompt lookup decoding, as `prompt_lookup_num_tokens` of transformers.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

EXPECTED_ACCEPTANCE = {8: 0.93, 5: 0.88, 3: 0.78, 2: 0.68, 1: 0.45}
"""The n-gram lengths that are looked up, in this order; the first with an earlier occurrence in the text is used.

The values are first estimates of the probability that the target accepts a drafted token if it accepts those before it
(answers of Qwen2.5-Coder-0.5B-Instruct to training prompts).
"""


class LookupDraft(NamedTuple):
    """Tokens drafted by prompt lookup, and the length of the repeated n-gram after which they were found."""

    tokens: list[int]
    ngram_length: int


class NgramLookup:
    """Drafts tokens by prompt lookup: those that followed an earlier occurrence of a text's last n-gram.

    It indexes one text, which `append_tokens` extends, by its n-grams.
    """

    def __init__(self, sizes: Collection[int] = tuple(EXPECTED_ACCEPTANCE)) -> None:
        self._sizes = sizes
        self._text: list[int] = []
        self._following: dict[tuple[int, ...], int] = {}
        """For each n-gram that a token follows, the position of that token, the latest one."""

    def append_tokens(self, tokens: Sequence[int]) -> None:
        """Appends tokens to the indexed text."""
        for token in tokens:
            for size in self._sizes:
                if len(self._text) >= size:
                    self._following[tuple(self._text[-size:])] = len(self._text)
            self._text.append(token)

    def propose(self, max_tokens: int) -> LookupDraft:
        """Returns up to `max_tokens` tokens that followed the latest earlier occurrence of the text's last n-gram.

        The longest n-gram that occurred before is used. Returns no tokens and length 0 if there is none.
        """
        for size in self._sizes:
            position = self._following.get(tuple(self._text[-size:])) if len(self._text) >= size else None
            if position is not None:
                return LookupDraft(self._text[position : position + max_tokens], size)
        return LookupDraft([], 0)
