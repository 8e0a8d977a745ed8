"""Drafts from the text itself: what followed the last time that its last tokens occurred.

Source: prompt lookup decoding, as `prompt_lookup_num_tokens` of transformers.
"""

from collections.abc import Sequence

SIZES = (3, 2)
"""Lengths of the token sequences that are looked up, the first that occurs before is taken."""


class NgramLookup:
    """The n-grams of one growing text."""

    def __init__(self, sizes: Sequence[int] = SIZES) -> None:
        self._sizes = sizes
        self._text: list[int] = []
        self._following: dict[tuple[int, ...], int] = {}
        """For each n-gram that a token follows, the position of that token, the latest one."""

    def extend(self, tokens: Sequence[int]) -> None:
        """Appends tokens to the text."""
        for token in tokens:
            for size in self._sizes:
                if len(self._text) >= size:
                    self._following[tuple(self._text[-size:])] = len(self._text)
            self._text.append(token)

    def propose(self, count: int) -> tuple[list[int], int]:
        """Returns up to `count` tokens that may come next, and the length of the n-gram that was found.

        Without an n-gram, returns no tokens and 0.
        """
        for size in self._sizes:
            position = self._following.get(tuple(self._text[-size:])) if len(self._text) >= size else None
            if position is not None:
                return self._text[position : position + count], size
        return [], 0
