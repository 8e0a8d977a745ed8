"""What an OpenAI-compatible endpoint sends back: server-sent events, their pieces, and the answer they add up to."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# A carriage return that ends the buffer may be the first half of a CRLF, so it ends no line yet. The lines are
# split as bytes: str.splitlines also splits at characters that JSON strings may hold unescaped, such as U+2028.
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")
_FAILED = ("error", "abort")
BURST_S, BURST_SHARE = 0.002, 0.01
"""Chunks that come this soon after the first belong to it, for a server may send a block as one chunk per token.

Seconds, or the share of the time from the first chunk to the last, whichever is longer: it is also the most by which
the time per token of an even stream can be off for it.
"""


class AttemptError(Exception):
    """An attempt that brought no usable answer, but may if it is made again. The message says why, in one line.

    `after_s`: the pause in seconds that the endpoint asked for. `unreached`: no connection was made at all.
    """

    def __init__(self, why: str, after_s: float | None = None, unreached: bool = False) -> None:
        super().__init__(why)
        self.after_s = after_s
        self.unreached = unreached


class EventReader:
    """Splits a stream of bytes, cut anywhere, into the data of its server-sent events. Comments are dropped."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, block: bytes) -> list[bytes]:
        """The data of the events that `block` completes."""
        *lines, self._rest = _LINE_END.split(self._rest + block)
        return [event for line in lines if (event := self._line(line)) is not None]

    def end(self) -> list[bytes]:
        """The data of a last event that no blank line closed."""
        return self.feed(b"\n\n")

    def _line(self, line: bytes) -> bytes | None:
        if not line:
            event, self._data = b"\n".join(self._data), []
            return event or None
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        return None


@dataclass(frozen=True)
class Piece:
    """One chunk of an answer, or a whole answer that was not streamed."""

    content: str = ""
    reasoned: bool = False
    """Whether it carries reasoning, which is no part of the text."""
    finish_reason: str | None = None
    usage: Mapping[str, Any] | None = None


def parse_piece(data: bytes) -> Piece:
    """A chunk of the chat or the completions API. Raises AttemptError for one that is malformed or reports an error."""
    try:
        chunk = json.loads(data)
        if chunk.get("error"):
            raise AttemptError(f"the endpoint reports: {complaint(data)}")
        choices = [choice for choice in chunk.get("choices") or () if not choice.get("index")]
        choice = choices[0] if choices else {}
        holder = choice.get("delta") or choice.get("message") or {}
        content = _text(holder.get("content")) or _text(choice.get("text"))
        reasoned = bool(holder.get("reasoning_content") or holder.get("reasoning"))
        finish, usage = choice.get("finish_reason"), chunk.get("usage")
    except (ValueError, AttributeError, TypeError, KeyError, IndexError):
        raise AttemptError("the endpoint sent malformed JSON") from None
    if finish in _FAILED:
        raise AttemptError(f"the endpoint gave up on the answer (finish reason {finish})")
    return Piece(content, reasoned, str(finish) if finish else None, usage if isinstance(usage, dict) else None)


def _text(content: Any) -> str:
    """Some endpoints send a list of typed parts instead of a string; only text parts are answer."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    return content if isinstance(content, str) else ""


def complaint(data: bytes) -> str:
    """The message in the body of an error, or the body itself, in one line."""
    text = data.decode("utf-8", "replace")
    try:
        found = json.loads(text)
        for key in ("error", "message", "detail"):
            found = (found.get(key) or found) if isinstance(found, dict) else found
    except ValueError:
        found = text
    return " ".join((found if isinstance(found, str) else json.dumps(found)).split())


def first_stop(text: str, stops: Sequence[str], since: int = 0) -> int | None:
    """Where the earliest stop in `text` starts; `since` is the length that was already searched."""
    places = (text.find(stop, max(0, since - len(stop) + 1)) for stop in stops)
    return min((place for place in places if place >= 0), default=None)


@dataclass(frozen=True)
class Answer:
    """What the successful attempt brought. Times are in seconds from its sending."""

    text: str
    cut: bool
    """Whether text from a stop sequence on was dropped here rather than by the endpoint."""
    reasoned: bool
    finish_reason: str
    prompt_tokens: int | None
    output_tokens: int | None
    """The endpoint's count, where it counts exactly what was kept."""
    started_at: float
    first_output_s: float | None
    total_s: float | None
    first_text: str = ""
    """The first piece of text, with what came in one burst with it."""
    first_tokens: int | None = None
    """The endpoint's count of its tokens, where it counts while it streams."""


class Reading:
    """Adds up the pieces of one attempt."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._text = ""
        self._cut: int | None = None
        self._reasoned = False
        self._usage: Mapping[str, Any] = {}
        self._first_s: float | None = None
        self._last_s: float | None = None
        self._arrivals: list[tuple[float, int, int | None]] = []
        self.finish_reason: str | None = None
        self.done = False

    @property
    def whole(self) -> bool:
        """Whether the endpoint has said that the answer is complete. An empty one needs a finish reason."""
        return self.finish_reason is not None or (self.done and self._last_s is not None)

    @property
    def settled(self) -> bool:
        """Whether a stop was found and nothing that follows can complete one that starts before it."""
        if self._cut is None:
            return False
        after = len(self._text) - self._cut
        return not any(self._text.endswith(s[:size]) for s in self._stops for size in range(after + 1, len(s)))

    def add(self, piece: Piece, at_s: float) -> None:
        """Takes the next piece, which came `at_s` seconds after the sending."""
        if (piece.content or piece.finish_reason) and self._cut is None:
            self._last_s = at_s
        if piece.content:
            self._first_s = at_s if self._first_s is None else self._first_s
            self._usage = {}  # A count that more text follows is not the count of the answer.
            searched, self._text = len(self._text), self._text + piece.content
            told = _count((piece.usage or {}).get("completion_tokens"))
            self._arrivals.append((at_s, len(self._text), told))
            found = first_stop(self._text, self._stops, searched)
            self._cut = min((place for place in (found, self._cut) if place is not None), default=None)
        self._reasoned |= piece.reasoned
        self._usage = piece.usage or self._usage
        self.finish_reason = piece.finish_reason or self.finish_reason

    def answer(self, started_at: float, streamed: bool) -> Answer:
        """The answer so far. Without streaming, the time of a cut was not seen, so there is no total time then."""
        cut = self._cut is not None
        size, told = self._first_piece()
        return Answer(
            text=_joined(self._text[: self._cut]),
            cut=cut,
            reasoned=self._reasoned,
            finish_reason="stop" if cut else self.finish_reason or "unknown",
            prompt_tokens=_count(self._usage.get("prompt_tokens")),
            output_tokens=None if cut else self._output_tokens(),
            started_at=started_at,
            first_output_s=self._first_s if streamed else None,
            total_s=None if cut and not streamed else self._last_s,
            first_text=_joined(self._text[:size][: self._cut]) if streamed else "",
            first_tokens=told if streamed else None,
        )

    def _first_piece(self) -> tuple[int, int | None]:
        """Characters that came with the first chunk or in one burst with it, and the endpoint's count by then."""
        if self._first_s is None or self._last_s is None:
            return 0, None
        until = self._first_s + max(BURST_S, BURST_SHARE * (self._last_s - self._first_s))
        return next((size, told) for at_s, size, told in reversed(self._arrivals) if at_s <= until)

    def _output_tokens(self) -> int | None:
        """Zero for an answer that has text is a field left unfilled, not a count."""
        count = _count(self._usage.get("completion_tokens"), least=0)
        return None if count == 0 and (self._text or self._reasoned) else count


def _count(value: Any, least: int = 1) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= least else None


def _joined(text: str) -> str:
    """Joins surrogate halves that came in different chunks; one without its other half cannot be stored."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
