"""Formats completions as OpenAI-style JSON: whole answers and streamed chunks, for chat and text."""

import math
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from evalharness.diffusion.serving.decoder import DecodingFrame
from evalharness.generation.stopping import Detokenizer
from evalharness.model_server.api.messages import DenoisingFrame, Timings, Usage


@dataclass(frozen=True)
class TokenProbability:
    """The text of an output token with its probability, for the `logprobs` of an answer."""

    text: str
    probability: float

    @property
    def logprob(self) -> float:
        """The natural logarithm of the token's probability."""
        return math.log(max(self.probability, 1e-30))


@dataclass(frozen=True)
class Choice:
    """One finished completion; an entry of the answer's `choices` in OpenAI's API."""

    index: int
    text: str
    finish_reason: str
    scores: Sequence[TokenProbability] | None
    """Probabilities of the tokens, if the request asks for logprobs."""
    note: str | None = None
    """The reason why the text is empty, which is sent to the client; None if it is not empty."""

    def wrapped(self, before: str, after: str) -> "Choice":
        """Returns a copy of the choice whose text is `before` + its text + `after`."""
        return replace(self, text=before + self.text + after)


JsonFormat = Literal["chat", "text", "fim"]
"""The JSON format of an answer. chat and text: as in OpenAI's API. fim: the fields of both, because Inception's clients
of infilling endpoints read `text`, and Mistral's read `delta` and `message`.
"""


@dataclass(frozen=True)
class AnswerFormatter:
    """Formats the completions of one request as JSON: as one answer, or as the chunks of a stream."""

    json_format: JsonFormat
    model: str
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))

    def format_full_answer(self, choices: Sequence[Choice], usage: Usage, timings: Timings) -> dict[str, Any]:
        """Returns the JSON answer to a request that is not streamed."""
        rows = []
        for choice in choices:
            row: dict[str, Any] = {"index": choice.index, "finish_reason": choice.finish_reason}
            if self.json_format != "text":
                row["message"] = {"role": "assistant", "content": choice.text, "refusal": None}
            if self.json_format != "chat":
                row["text"] = choice.text
            row["logprobs"] = self._format_logprobs(choice.scores)
            if choice.note:
                row["note"] = choice.note
            rows.append(row)
        kind = "chat.completion" if self.json_format == "chat" else "text_completion"
        return {**self._make_common_fields(kind), "choices": rows, "usage": usage, "timings": timings}

    def format_chunk(
        self, choice_index: int, text: str, is_first: bool, finished_choice: Choice | None = None
    ) -> dict[str, Any]:
        """Returns the JSON chunk of a streamed answer that adds `text` to choice `choice_index`.

        `is_first`: whether this is the choice's first chunk. `finished_choice`: the whole choice, if this is its last
        chunk.
        """
        row: dict[str, Any] = {
            "index": choice_index,
            "finish_reason": finished_choice.finish_reason if finished_choice else None,
        }
        if self.json_format != "text":
            row["delta"] = {"role": "assistant", "content": text} if is_first else {"content": text}
        if self.json_format != "chat":
            row["text"] = text
        row["logprobs"] = self._format_logprobs(finished_choice.scores) if finished_choice else None
        if finished_choice and finished_choice.note:
            row["note"] = finished_choice.note
        return {**self._make_common_fields(self._chunk_object_type), "choices": [row]}

    def format_usage_chunk(self, usage: Usage, timings: Timings) -> dict[str, Any]:
        """Returns the JSON chunk with token counts and timings that ends a stream (`stream_options.include_usage`)."""
        return {**self._make_common_fields(self._chunk_object_type), "choices": [], "usage": usage, "timings": timings}

    def format_denoising_frame(
        self, choice_index: int, frame: DecodingFrame, since_arrival_ms: float, detokenizer: Detokenizer
    ) -> DenoisingFrame:
        """Returns the JSON data of a `denoising_frame` event: what one forward pass changed in a choice.

        `since_arrival_ms`: milliseconds from the request's arrival to the end of the forward pass.
        """
        return {
            "object": "denoising_frame",
            "id": self._answer_id,
            "choices": [],
            "index": choice_index,
            "forward_pass": frame.forward_pass,
            "ms": round(since_arrival_ms, 3),
            "start": frame.start,
            "end": frame.end,
            "positions": list(frame.positions),
            "tokens": [detokenizer.decode([token]) for token in frame.tokens],
            "confidences": [round(confidence, 4) for confidence in frame.confidences],
            "drafted": [detokenizer.decode([token]) for token in frame.drafted],
            "accepted": frame.accepted,
            "rejected": [detokenizer.decode([token]) for token in frame.rejected],
        }

    @property
    def _answer_id(self) -> str:
        return ("chatcmpl-" if self.json_format == "chat" else "cmpl-") + self.id

    @property
    def _chunk_object_type(self) -> str:
        return "chat.completion.chunk" if self.json_format == "chat" else "text_completion"

    def _make_common_fields(self, object_type: str) -> dict[str, Any]:
        return {"id": self._answer_id, "object": object_type, "created": self.created, "model": self.model}

    def _format_logprobs(self, token_probabilities: Sequence[TokenProbability] | None) -> dict[str, Any] | None:
        if token_probabilities is None:
            return None
        if self.json_format == "chat":
            return {
                "content": [
                    {
                        "token": token.text,
                        "logprob": token.logprob,
                        "bytes": list(token.text.encode()),
                        "top_logprobs": [],
                    }
                    for token in token_probabilities
                ],
                "refusal": None,
            }
        offsets, at = [], 0
        for token in token_probabilities:
            offsets.append(at)
            at += len(token.text)
        return {
            "tokens": [token.text for token in token_probabilities],
            "token_logprobs": [token.logprob for token in token_probabilities],
            "top_logprobs": None,
            "text_offset": offsets,
        }
