"""Parses an OpenAI-compatible stream: server-sent events, and the answer chunks in them."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from evalharness.backends.openai.failures import AttemptError, find_reported_error

# Lines are split as bytes: str.splitlines also splits at characters that JSON strings may contain unescaped, such as
# U+2028.
_LINE_END = re.compile(rb"\r\n|\n|\r")
_FAILED = ("error", "abort")
"""Finish reasons with which servers report a failure."""
_AT_LIMIT = ("length", "max_tokens", "max_output_tokens", "max_completion_tokens", "model_length", "token_limit")
"""Finish reasons of an answer that reached the token limit, in lower case."""
_TEXT_PARTS = ("text", "output_text", None)
_REASONING_PARTS = ("thinking", "reasoning", "reasoning_text")
"""Types of message parts that contain reasoning."""
_REASONING_KEYS = ("reasoning_content", "reasoning", "thinking", "reasoning_text")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ServerSentEventReader:
    """Parses server-sent events incrementally from blocks of bytes of any size.

    The package httpx-sse is not used, because `tests/backends/openai/test_events.py` fails with it: it replaces invalid
    UTF-8, so that a damaged answer is not retried; it hides comments, so that a server's keep-alive comments do not
    extend the idle timeout; it drops a last event without a blank line, which some servers send; and it refuses a
    stream whose content type is not text/event-stream.
    """

    def __init__(self) -> None:
        self._line: list[bytes] = []
        """The blocks of a line that has not ended."""
        self._held = b""
        """A carriage return at the end of the last block, which may be the first half of CRLF."""
        self._data: list[bytes] = []
        self._begun = False
        self.events = 0
        """Number of events so far."""

    def feed(self, block: bytes) -> list[bytes]:
        """Adds a block of bytes; returns the field `data` of each event that the block completes, if any."""
        block = self._held + block
        self._held = b"\r" if block.endswith(b"\r") else b""
        first, *others = _LINE_END.split(block.removesuffix(b"\r"))
        self._line.append(first)
        if not others:
            return []
        *complete, incomplete_line = others
        lines = [b"".join(self._line), *complete]
        self._line = [incomplete_line]
        return [
            event for line in lines if (event := self._add_line_to_event(self._strip_byte_order_mark(line))) is not None
        ]

    def finish(self) -> list[bytes]:
        """Ends the stream. Returns a list with the data of the last event if no blank line ended it, else []."""
        return self.feed(b"\n\n")

    def _strip_byte_order_mark(self, line: bytes) -> bytes:
        """Returns a line of the stream, without its byte order mark if it is the first line."""
        first, self._begun = not self._begun, True
        return line.removeprefix(BYTE_ORDER_MARK) if first else line

    def _add_line_to_event(self, line: bytes) -> bytes | None:
        """Adds a line to the current event. Returns the event's data if the line is blank, which ends the event."""
        if not line:
            event, self._data = b"\n".join(self._data), []
            self.events += bool(event)
            return event or None
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        return None


@dataclass(frozen=True)
class Chunk:
    """One chunk of a streamed answer, or a whole answer that is not streamed."""

    content: str = ""
    message: str = ""
    """The text of a `message` field. In a stream with `delta` fields it is the whole text so far, else a part of it."""
    has_delta: bool = False
    reasoning: str = ""
    """Reasoning, which is not part of the text."""
    refusal: str = ""
    """The model's refusal, which OpenAI sends in its own field."""
    finish_reason: str | None = None
    usage: Mapping[str, Any] | None = None


def parse_chunk(chunk_json: bytes) -> Chunk:
    """Returns the chunk in a JSON object that the chat or completions API sent.

    Raises AttemptError if the object is malformed or reports an error, and PromptRefused if it reports that the
    endpoint refuses the prompt.
    """
    try:
        value = json.loads(chunk_json)
        choices = [choice for choice in value.get("choices") or () if not choice.get("index")]
        error = find_reported_error({**value, "choices": choices})
        choice = choices[0] if choices else {}
        delta, message = choice.get("delta"), choice.get("message")
        parts = [part for part in (delta, message) if part]
        content = _text_of_message_content((delta or {}).get("content")) or _text_of_message_content(choice.get("text"))
        text_of_message = _text_of_message_content((message or {}).get("content"))
        reasoning = next(filter(None, map(_reasoning_text, parts)), "")
        refusal = next((part["refusal"] for part in parts if part.get("refusal")), "")
        finish_reason, usage = choice.get("finish_reason"), value.get("usage")
    except (ValueError, AttributeError, TypeError, KeyError, IndexError, RecursionError):
        raise AttemptError("the endpoint sent an answer that is malformed JSON") from None
    if error:
        raise error
    if finish_reason in _FAILED:
        raise AttemptError(f"the endpoint failed to finish the answer (finish reason {finish_reason})")
    return Chunk(
        content,
        text_of_message,
        delta is not None,
        reasoning,
        refusal if isinstance(refusal, str) else "",
        _normalize_finish_reason(finish_reason),
        usage if isinstance(usage, dict) else None,
    )


def _normalize_finish_reason(finish_reason: Any) -> str | None:
    """Returns the finish reason that a server sent, or None. Each server's name of the token limit becomes "length"."""
    if not finish_reason:
        return None
    return "length" if str(finish_reason).lower() in _AT_LIMIT else str(finish_reason)


def _text_of_message_content(content: Any, part_types: Collection[str | None] = _TEXT_PARTS) -> str:
    """Returns the text of a message's field `content`: a string, or a list of parts with a type.

    Only parts whose type is in `part_types` are included.
    """
    if isinstance(content, list):
        return "".join(_text_of_content_part(part) for part in content if part.get("type") in part_types)
    return content if isinstance(content, str) else ""


def _text_of_content_part(part: Mapping[str, Any]) -> str:
    value = part.get("text") or part.get("thinking") or part.get("reasoning") or ""
    if isinstance(value, list):  # the thinking of a model of Mistral is a list of text parts
        return "".join(map(_text_of_content_part, value))
    return str(value.get("value", "") if isinstance(value, Mapping) else value)


def _reasoning_text(message: Mapping[str, Any]) -> str:
    """Returns the reasoning in a message, under any of the field names that servers use; "" if there is none."""
    for key in _REASONING_KEYS:
        if isinstance(value := message.get(key), str) and value:
            return value
    content = message.get("content")
    return _text_of_message_content(content, _REASONING_PARTS) if isinstance(content, list) else ""
