"""Assembles an endpoint's answer from its streamed chunks with their arrival times, cut at the first stop sequence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from evalharness.backends.openai.events import Chunk

BURST_S, BURST_SHARE = 0.002, 0.01
"""Chunks that arrive this soon after the first one count as part of it (a burst), since a server may send the tokens
of a block one by one.

BURST_S is in seconds; BURST_SHARE is a share of the time from the first chunk to the last. The longer time applies. It
is also the largest error that this rule can cause in the time per output token of an evenly paced stream.
"""


@dataclass(frozen=True)
class Answer:
    """An endpoint's answer to one request, with token counts and timings in seconds since the request was sent."""

    text: str
    cut: bool
    """Whether this client, not the endpoint, cut the text at a stop sequence."""
    reasoning: str
    """The reasoning (chain of thought) that the endpoint sent separately from the text."""
    refusal: str
    """The model's own refusal, which OpenAI sends separately from the text."""
    finish_reason: str
    prompt_tokens: int | None
    output_tokens: int | None
    """The endpoint's token count of text and reasoning; None if it also counts text that was cut off."""
    reasoning_tokens: int | None
    """The endpoint's token count of the reasoning, even if it does not send the reasoning."""
    started_at: float
    """When the request was sent, in seconds since the epoch."""
    first_output_s: float | None
    total_s: float | None
    first_text: str = ""
    """The text of the first burst of chunks (see `BURST_S`)."""
    first_tokens: int | None = None
    """The endpoint's token count of `first_text`, if the endpoint counts while it streams."""

    @property
    def has_reasoning(self) -> bool:
        """Whether some of the output tokens are reasoning."""
        return bool(self.reasoning or self.reasoning_tokens)


class ChunkBurstSize(NamedTuple):
    """The size of an answer's first burst: its first chunk and those that arrive almost at the same time.

    `BURST_S` and `BURST_SHARE` define how soon they must arrive.
    """

    characters: int
    tokens: int | None
    """The endpoint's token count at the end of the burst; None if it reports none while it streams."""


def find_stop_sequence_start(text: str, stops: Sequence[str], already_searched_length: int = 0) -> int | None:
    """Returns the character index at which the earliest stop sequence in `text` begins; None if there is none.

    The first `already_searched_length` characters are known to contain no complete stop sequence.
    """
    positions = (text.find(stop, max(0, already_searched_length - len(stop) + 1)) for stop in stops)
    return min((position for position in positions if position >= 0), default=None)


class AnswerReader:
    """Assembles one answer from its streamed chunks, and cuts it at the first stop sequence."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._text = ""
        self._cut: int | None = None
        self._has_deltas = False
        self._reasoning: list[str] = []
        self._refusal = ""
        self._usage: Mapping[str, Any] = {}
        self._first_s: float | None = None
        self._last_s: float | None = None
        self._arrivals: list[tuple[float, int, int | None]] = []
        """Of each chunk with text: arrival time, length of the text so far, and the endpoint's token count so far."""
        self.finish_reason: str | None = None
        self.done = False
        """Whether the endpoint has sent its last chunk."""

    @property
    def is_complete(self) -> bool:
        """Whether the endpoint has sent a finish reason, or the end of the stream after a non-empty answer."""
        return self.finish_reason is not None or (self.done and bool(self._text or self._reasoning))

    @property
    def is_cut_position_final(self) -> bool:
        """Whether the answer is cut at a stop sequence, and later chunks cannot move the cut to an earlier position.

        They can if the received text ends with an incomplete stop sequence that begins before the cut.
        """
        if self._cut is None:
            return False
        after = len(self._text) - self._cut
        return not any(self._text.endswith(s[:size]) for s in self._stops for size in range(after + 1, len(s)))

    def add_chunk(self, chunk: Chunk, arrived_s: float) -> None:
        """Adds the next chunk, which arrived `arrived_s` seconds after the request was sent."""
        self._has_deltas |= chunk.has_delta
        content = chunk.content or self._new_part_of_message_field(chunk.message)
        if (content or chunk.reasoning or chunk.finish_reason) and self._cut is None:
            self._last_s = arrived_s
        if content:
            self._first_s = arrived_s if self._first_s is None else self._first_s
            self._usage = {}  # A count that is followed by more text is not the count of the whole answer.
            searched, self._text = len(self._text), self._text + content
            tokens_so_far = _valid_token_count((chunk.usage or {}).get("completion_tokens"))
            self._arrivals.append((arrived_s, len(self._text), tokens_so_far))
            stop = find_stop_sequence_start(self._text, self._stops, searched)
            self._cut = min((position for position in (stop, self._cut) if position is not None), default=None)
        if chunk.reasoning and not (chunk.message and self._has_deltas and self._reasoning):
            self._reasoning.append(chunk.reasoning)
        self._refusal += chunk.refusal
        self._usage = chunk.usage or self._usage
        self.finish_reason = chunk.finish_reason or self.finish_reason

    def _new_part_of_message_field(self, message: str) -> str:
        """Returns the part of a chunk's field `message` that earlier chunks did not contain.

        Some servers send both: `delta` fields with the new text, and a field `message` with all the text so far.
        """
        if not self._has_deltas:
            return message
        return message.removeprefix(self._text) if message.startswith(self._text) else ""

    def make_answer(self, started_at: float, streamed: bool) -> Answer:
        """Returns the answer received so far, cut at the first stop sequence.

        `started_at`: when the request was sent, in seconds since the epoch. Without streaming, the time of the first
        output is None, and so is the total time if the text was cut.
        """
        cut = self._cut is not None
        burst = self._measure_first_chunk_burst()
        return Answer(
            text=_join_surrogate_pairs(self._text[: self._cut]),
            cut=cut,
            reasoning=_join_surrogate_pairs("".join(self._reasoning)),
            refusal=self._refusal,
            finish_reason="stop" if cut else self.finish_reason or "unknown",
            prompt_tokens=_valid_token_count(self._usage.get("prompt_tokens")),
            output_tokens=None if cut else self._reported_output_token_count(),
            reasoning_tokens=self._reported_reasoning_token_count(),
            started_at=started_at,
            first_output_s=self._first_s if streamed else None,
            total_s=None if cut and not streamed else self._last_s,
            first_text=_join_surrogate_pairs(self._text[: burst.characters][: self._cut]) if streamed else "",
            first_tokens=burst.tokens if streamed else None,
        )

    def _measure_first_chunk_burst(self) -> ChunkBurstSize:
        """Returns the size of the answer's first burst of chunks; 0 characters if no chunk has text."""
        if self._first_s is None or self._last_s is None:
            return ChunkBurstSize(0, None)
        until = self._first_s + max(BURST_S, BURST_SHARE * (self._last_s - self._first_s))
        return next(ChunkBurstSize(size, tokens) for at_s, size, tokens in reversed(self._arrivals) if at_s <= until)

    def _reported_output_token_count(self) -> int | None:
        """Returns the number of output tokens that the endpoint reports.

        None if it reports no number, or 0 although the answer is not empty.
        """
        count = _valid_token_count(self._usage.get("completion_tokens"), minimum=0)
        return None if count == 0 and (self._text or self._reasoning) else count

    def _reported_reasoning_token_count(self) -> int | None:
        details = self._usage.get("completion_tokens_details") or self._usage.get("output_tokens_details")
        return _valid_token_count((details if isinstance(details, Mapping) else self._usage).get("reasoning_tokens"))


def _valid_token_count(reported_count: Any, minimum: int = 1) -> int | None:
    """Returns `reported_count`, an endpoint's token count, if it is an integer of at least `minimum`; else None."""
    if not isinstance(reported_count, int) or isinstance(reported_count, bool) or reported_count < minimum:
        return None
    return reported_count


def _join_surrogate_pairs(text: str) -> str:
    """Returns the text with each UTF-16 surrogate pair joined to one character, and lone surrogates replaced."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
