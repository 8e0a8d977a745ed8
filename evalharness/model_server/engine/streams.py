"""Incremental detokenization: converts streamed tokens to text that later tokens cannot change."""

from collections.abc import Sequence

from evalharness.generation.stopping import Detokenizer

REPLACEMENT = "\ufffd"


class TextStream:
    """Converts streamed tokens to text that later tokens cannot change.

    An incomplete character, and text that may be the beginning of a stop sequence, is not returned yet.
    """

    def __init__(self, detokenizer: Detokenizer, stops: Sequence[str]) -> None:
        self._detokenizer, self._stops = detokenizer, [stop for stop in stops if stop]
        self._pending: list[int] = []
        """Tokens whose text may still change."""
        self._text = ""
        self.sent = ""
        """All text that was returned."""

    def add_tokens(self, token_ids: Sequence[int]) -> str:
        """Adds tokens; returns the new text, possibly empty, that later tokens cannot change any more."""
        self._pending += token_ids
        text = self._detokenizer.decode(self._pending)
        if text and not text.endswith(REPLACEMENT):
            self._text += text
            self._pending = []
        end = self._unchangeable_length()
        new, self.sent = self._text[len(self.sent) : end], self._text[: max(end, len(self.sent))]
        return new

    def finish(self, whole_text: str) -> str:
        """Ends the stream; returns the part of `whole_text`, the completion's text, that was not returned before."""
        rest = whole_text[len(self.sent) :] if whole_text.startswith(self.sent) else ""
        self.sent += rest
        return rest

    def _unchangeable_length(self) -> int:
        """Returns the length of the text that later tokens cannot change.

        It ends before the first stop sequence, or before characters that may be the beginning of a stop sequence.
        """
        text, end = self._text, len(self._text)
        for stop in self._stops:
            position = text.find(stop, max(0, len(self.sent) - len(stop)))
            if position >= 0:
                end = min(end, position)
                continue
            for size in range(min(len(stop) - 1, len(text)), 0, -1):
                if text.endswith(stop[:size]):
                    end = min(end, len(text) - size)
                    break
        return end
