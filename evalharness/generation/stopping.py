"""Ends each row of a batch at its first stop sequence, EOS token or token limit, and records its timings."""

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from evalharness.generation.token_meter import generated_tokens

TAIL_MARGIN = 8
"""Tokens searched beyond the longest stop sequence, for characters that consist of several tokens."""


@dataclass(frozen=True)
class GeneratedRow:
    """The generated text and token count of one row of a batch, and its times in seconds since the batch's start."""

    text: str
    """The generated text before the first stop sequence."""
    tokens: int
    """Number of output tokens (see `StopChecker.kept_text_and_token_count`)."""
    reason: str
    """The finish reason: "stop" or "length"."""
    first_s: float | None
    ended_s: float | None


class Detokenizer:
    """Converts generated token ids to text, without special tokens."""

    def __init__(self, tokenizer: Any) -> None:
        added = getattr(tokenizer, "added_tokens_decoder", {})
        self.special = frozenset(tokenizer.all_special_ids) | {i for i, token in added.items() if token.special}
        self._tokenizer = tokenizer
        # Sentencepiece decoders drop the first space of a text, which here is indentation. So generated tokens are
        # decoded after the tokens of a dummy prefix, whose characters are then removed.
        self._dummy_prefix: list[int] = list(tokenizer("a", add_special_tokens=False)["input_ids"])
        self._dummy_prefix_length = len(self._decode_after_dummy_prefix([]))

    def decode(self, tokens: Sequence[int]) -> str:
        """Returns the text of generated token ids, without special tokens. A space at the start is kept."""
        return self._decode_after_dummy_prefix(tokens)[self._dummy_prefix_length :]

    def special_token_id(self, text: str) -> int | None:
        """Returns the id of the special token with this text, such as `<|endoftext|>`; None if there is none."""
        token: int | None = self._tokenizer.convert_tokens_to_ids(text)
        return token if token in self.special and self._tokenizer.convert_ids_to_tokens(token) == text else None

    def _decode_after_dummy_prefix(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(
            [*self._dummy_prefix, *tokens],
            skip_special_tokens=True,
            clean_up_tokenization_spaces=False,
            spaces_between_special_tokens=False,
        )
        return text


def cut_at_stop_sequence(text: str, stops: Sequence[str]) -> str:
    """Returns the part of `text` before the earliest stop sequence, or all of `text` if it contains none."""
    positions = [position for position in (text.find(stop) for stop in stops) if position >= 0]
    return text[: min(positions)] if positions else text


def count_kept_tokens(detokenizer: Detokenizer, tokens: Sequence[int], kept_text: str) -> int:
    """Returns the smallest n for which the text of the first n of `tokens` begins with `kept_text`.

    `kept_text` is the tokens' text before a stop sequence, so the tokens of the stop sequence do not count, except a
    token that begins before it.
    """
    return bisect_left(range(len(tokens)), True, key=lambda n: detokenizer.decode(tokens[:n]).startswith(kept_text))


class StopChecker:
    """Decides, token by token, when one row of a batch has ended: at a stop sequence, EOS token or token limit.

    Stop sequences are searched in the row's generated text. A stop sequence that is the text of a special token ends
    the row at that token, although special tokens are not part of the text.
    """

    def __init__(self, detokenizer: Detokenizer, end_tokens: frozenset[int], stops: Sequence[str], limit: int) -> None:
        """`end_tokens`: the model's EOS tokens; `limit`: the maximum number of tokens to generate."""
        self._detokenizer = detokenizer
        self._stops = [stop for stop in stops if stop]
        special_stops = {token for token in map(detokenizer.special_token_id, self._stops) if token is not None}
        self.end_tokens = end_tokens | special_stops
        self.limit = limit
        self.tokens: list[int] = []
        """The tokens generated so far, without the end token."""
        # The text of a token has at least one byte, so this many tokens contain the longest stop sequence.
        longest = max((len(stop.encode()) for stop in self._stops), default=0)
        self._tail: deque[int] = deque(maxlen=longest + TAIL_MARGIN)
        self.reason = ""
        """The finish reason, "stop" or "length", once the row has ended; empty before."""

    def add_token_and_check_end(self, token_id: int) -> bool:
        """Adds the row's next generated token; returns whether this token ends the row."""
        if token_id in self.end_tokens:
            self.reason = "stop"
            return True
        self.tokens.append(token_id)
        generated_tokens.add(1)
        if self._stops and token_id not in self._detokenizer.special:
            self._tail.append(token_id)
            # The tail is cheap to decode, but it may begin inside a character; the whole text decides.
            if self._contains_stop_sequence(self._tail) and self._contains_stop_sequence(self.tokens):
                self.reason = "stop"
                return True
        if len(self.tokens) >= self.limit:
            self.reason = "length"
            return True
        return False

    def kept_text_and_token_count(self) -> tuple[str, int]:
        """Returns (text, number of output tokens) of the row, up to the earliest stop sequence.

        The EOS token does not count. `count_kept_tokens` says which tokens count if a stop sequence cuts the text.
        """
        full_text = self._detokenizer.decode(self.tokens)
        kept_text = cut_at_stop_sequence(full_text, self._stops)
        if kept_text == full_text:
            return full_text, len(self.tokens)
        return kept_text, count_kept_tokens(self._detokenizer, self.tokens, kept_text)

    def _contains_stop_sequence(self, tokens: Sequence[int]) -> bool:
        text = self._detokenizer.decode(tokens)
        return any(stop in text for stop in self._stops)


class BatchStopChecker:
    """A transformers stopping criterion that ends each row of a batch by its own `StopChecker`, and measures times."""

    def __init__(self, rows: Sequence[StopChecker], start: float) -> None:
        """`start` is the `time.perf_counter()` value from which times are counted."""
        self._rows = rows
        self._start = start
        self._first_s: float | None = None
        self._ended_s: list[float | None] = [None] * len(rows)

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """Returns which rows have ended, bool [rows]; called at each step with token ids [rows, length]."""
        # Copying the tokens waits for the device, so the clock is read when they exist.
        tokens = input_ids[:, -1].tolist()
        now_s = time.perf_counter() - self._start
        if self._first_s is None:
            self._first_s = now_s
        for number, (row, token) in enumerate(zip(self._rows, tokens, strict=True)):
            if self._ended_s[number] is None and row.add_token_and_check_end(token):
                self._ended_s[number] = now_s
        return torch.tensor([ended_s is not None for ended_s in self._ended_s], device=input_ids.device)

    def generated_rows(self) -> list[GeneratedRow]:
        """Returns the text, token count, finish reason and times of each row of the batch, in order."""
        return [
            GeneratedRow(*row.kept_text_and_token_count(), row.reason, self._first_s, ended_s)
            for row, ended_s in zip(self._rows, self._ended_s, strict=True)
        ]
