"""The data that an OpenAI-compatible endpoint sends: server-sent events, and the chunks of an answer in them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalharness.backends.openai.failures import AttemptError, error_message

# A carriage return at the end of the buffer may be the first half of CRLF, so it does not end a line yet. Lines are
# split as bytes: str.splitlines also splits at characters that JSON strings may contain unescaped, such as U+2028.
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")
_FAILED = ("error", "abort")
"""Finish reasons with which servers report that they failed."""


class EventReader:
    """Splits a stream of bytes, received in blocks of any size, into the data of its server-sent events.

    The package httpx-sse is not used, because `tests/backends/openai/test_events.py` fails with it: it replaces
    invalid UTF-8, so that a damaged answer is not retried; it hides comments, so that a server's keep-alive comments
    do not extend the idle timeout; it drops a last event without a blank line, which some servers send; and it refuses
    a stream whose content type is not text/event-stream.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, block: bytes) -> list[bytes]:
        """Returns the data of the events that `block` completes. Comments and other fields are dropped."""
        *lines, self._rest = _LINE_END.split(self._rest + block)
        return [event for line in lines if (event := self._take_line(line)) is not None]

    def end(self) -> list[bytes]:
        """Returns the data of a last event that no blank line ends."""
        return self.feed(b"\n\n")

    def _take_line(self, line: bytes) -> bytes | None:
        """Returns the data of the event that the line ends, if it is a blank line and there is data."""
        if not line:
            event, self._data = b"\n".join(self._data), []
            return event or None
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        return None


@dataclass(frozen=True)
class Chunk:
    """One chunk of a streamed answer, or a whole answer that is not streamed."""

    content: str = ""
    has_reasoning: bool = False
    """Whether the chunk has reasoning, which is not part of the text."""
    finish_reason: str | None = None
    usage: Mapping[str, Any] | None = None


def parse_chunk(data: bytes) -> Chunk:
    """Returns a chunk of the chat API or the completions API.

    Raises AttemptError for a malformed chunk, and for one that reports an error.
    """
    try:
        value = json.loads(data)
        if value.get("error"):
            raise AttemptError(f"the endpoint reports: {error_message(data)}")
        choices = [choice for choice in value.get("choices") or () if not choice.get("index")]
        choice = choices[0] if choices else {}
        message = choice.get("delta") or choice.get("message") or {}
        content = _text(message.get("content")) or _text(choice.get("text"))
        has_reasoning = bool(message.get("reasoning_content") or message.get("reasoning"))
        finish_reason, usage = choice.get("finish_reason"), value.get("usage")
    except (ValueError, AttributeError, TypeError, KeyError, IndexError):
        raise AttemptError("the endpoint sent malformed JSON") from None
    if finish_reason in _FAILED:
        raise AttemptError(f"the endpoint failed to finish the answer (finish reason {finish_reason})")
    return Chunk(
        content,
        has_reasoning,
        str(finish_reason) if finish_reason else None,
        usage if isinstance(usage, dict) else None,
    )


def _text(content: Any) -> str:
    """Returns the answer's text. Some endpoints send a list of typed parts, of which only text parts belong to it."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    return content if isinstance(content, str) else ""
