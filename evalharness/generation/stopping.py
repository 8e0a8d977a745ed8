"""Ends each row of a batch at its own first stop sequence, end token or limit, and keeps the time of it."""

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

MARGIN = 8
"""Tokens looked at beyond the longest stop sequence, for characters that several tokens make up together."""


@dataclass(frozen=True)
class RowResult:
    """How a row ended. `tokens` counts as `count_tokens` says; `ended_s` and `first_s` are seconds since the start."""

    text: str
    tokens: int
    reason: str
    first_s: float | None
    ended_s: float | None


class Detokenizer:
    """Text of generated tokens, special tokens left out."""

    def __init__(self, tokenizer: Any) -> None:
        added = getattr(tokenizer, "added_tokens_decoder", {})
        self.special = frozenset(tokenizer.all_special_ids) | {i for i, token in added.items() if token.special}
        self._tokenizer = tokenizer
        # Sentencepiece decoders drop the space that opens a text, which here is an indentation: never decode alone.
        self._anchor: list[int] = list(tokenizer("a", add_special_tokens=False)["input_ids"])
        self._skip = len(self._decode([]))

    def text(self, tokens: Sequence[int]) -> str:
        """What the tokens say where they continue a text."""
        return self._decode(tokens)[self._skip :]

    def special_id(self, text: str) -> int | None:
        """The id of the special token that is written `text`, if there is one."""
        token: int | None = self._tokenizer.convert_tokens_to_ids(text)
        return token if token in self.special and self._tokenizer.convert_ids_to_tokens(token) == text else None

    def _decode(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(
            [*self._anchor, *tokens],
            skip_special_tokens=True,
            clean_up_tokenization_spaces=False,
            spaces_between_special_tokens=False,
        )
        return text


def cut(text: str, stops: Sequence[str]) -> str:
    """The text before the earliest of the stop sequences in it."""
    found = [place for place in (text.find(stop) for stop in stops) if place >= 0]
    return text[: min(found)] if found else text


def count_tokens(decoder: Detokenizer, tokens: Sequence[int], kept: str) -> int:
    """The smallest number of the first generated tokens whose text contains `kept`, which opens the whole text.

    A stop sequence that begins at a token border is therefore not counted at all; of one that begins inside a
    token, that token alone is.
    """
    return bisect_left(range(len(tokens)), True, key=lambda n: decoder.text(tokens[:n]).startswith(kept))


class StopChecker:
    """Follows one row: takes its generated tokens one by one and says when it has ended.

    Stop sequences are looked for in the row's generated text alone; one that is written like a special token ends
    the row at that token, which the text does not show. Nothing after the end is kept.
    """

    def __init__(self, decoder: Detokenizer, ends: frozenset[int], stops: Sequence[str], limit: int) -> None:
        """`ends` are the model's end tokens; `limit` is the most tokens to generate."""
        self._decoder = decoder
        self._stops = [stop for stop in stops if stop]
        self.ends = ends | {token for token in map(decoder.special_id, self._stops) if token is not None}
        self.limit = limit
        self.tokens: list[int] = []
        """What was generated so far, without the end token."""
        # A token that the text shows is at least one byte of it.
        longest = max((len(stop.encode()) for stop in self._stops), default=0)
        self._tail: deque[int] = deque(maxlen=longest + MARGIN)
        self.reason = ""
        """stop or length once the row has ended; empty before."""

    def push(self, token: int) -> bool:
        """Takes the next token; whether the row has ended with it."""
        if token in self.ends:
            self.reason = "stop"
            return True
        self.tokens.append(token)
        if self._stops and token not in self._decoder.special:
            self._tail.append(token)
            # The tail is cheap to decode, but may begin inside a character: the whole text decides.
            if self._has_stop(self._tail) and self._has_stop(self.tokens):
                self.reason = "stop"
                return True
        if len(self.tokens) >= self.limit:
            self.reason = "length"
            return True
        return False

    def result(self) -> tuple[str, int]:
        """The row's text before the earliest stop sequence, and its number of tokens.

        Without a stop sequence every token before the end token or limit counts; else see `count_tokens`.
        """
        whole = self._decoder.text(self.tokens)
        kept = cut(whole, self._stops)
        if kept == whole:
            return whole, len(self.tokens)
        return kept, count_tokens(self._decoder, self.tokens, kept)

    def _has_stop(self, tokens: Sequence[int]) -> bool:
        text = self._decoder.text(tokens)
        return any(stop in text for stop in self._stops)


class BatchStopChecker:
    """A stopping criterion that ends each row of a batch by its own `StopChecker` and times it."""

    def __init__(self, rows: Sequence[StopChecker], start: float) -> None:
        """`start` is the `time.perf_counter()` from which times are counted."""
        self._rows = rows
        self._start = start
        self._first_s: float | None = None
        self._ended_s: list[float | None] = [None] * len(rows)

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """Whether each row has ended, bool [rows]; called once per step with ids [rows, length]."""
        # Reading the tokens waits for the device, so that the clock is read when they are really there.
        tokens = input_ids[:, -1].tolist()
        now = time.perf_counter() - self._start
        if self._first_s is None:
            self._first_s = now
        for place, (row, token) in enumerate(zip(self._rows, tokens, strict=True)):
            if self._ended_s[place] is None and row.push(token):
                self._ended_s[place] = now
        return torch.tensor([ended is not None for ended in self._ended_s], device=input_ids.device)

    def results(self) -> list[RowResult]:
        """How each row ended, in order."""
        return [
            RowResult(*row.result(), row.reason, self._first_s, ended)
            for row, ended in zip(self._rows, self._ended_s, strict=True)
        ]
