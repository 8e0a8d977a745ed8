"""Collects the text of each choice while it is generated: final text, the canvas with masks, and how it ended."""

from collections.abc import Iterable

from evalharness.diffusion.serving.decoder import DecodingFrame
from evalharness.generation.stopping import Detokenizer
from evalharness.model_server.api.answer import Choice, TokenProbability
from evalharness.model_server.api.messages import explain_empty_answer
from evalharness.model_server.engine.job import GenerationJob, JobOutcome, JobUpdate
from evalharness.model_server.engine.streams import TextStream

MASK = "\u2591"
"""The character (light shade) that stands for a mask token in a stream with `diffusing`."""


class ChoiceText:
    """Collects the text of one choice (completion) of an answer from the engine's updates."""

    def __init__(self, index: int, job: GenerationJob, detokenizer: Detokenizer | None, with_scores: bool) -> None:
        self.index, self._detokenizer, self._scored = index, detokenizer, with_scores
        self._stream = TextStream(detokenizer, job.prompt.stops) if detokenizer else None
        self._tokens: list[int] = []
        self._confidences: list[float] = []
        self._canvas: dict[int, int] = {}
        self._canvas_end = 0
        self.started = False
        """Whether a chunk of this choice has been sent."""
        self.outcome: JobOutcome | None = None

    def add_update(self, update: JobUpdate) -> str:
        """Adds an update of the engine; returns the new text that is final: later updates cannot change it."""
        self._tokens += update.tokens
        self._confidences += update.confidences
        self._update_canvas(update.frames)
        self.outcome = update.outcome or self.outcome
        new = self._stream.add_tokens(update.tokens) if self._stream else ""
        if self.outcome is None:
            return new
        return new + (self._stream.finish(self.outcome.text) if self._stream else self.outcome.text)

    def text_with_masks(self) -> str:
        """Returns the choice's text so far, with the character `MASK` for each token that is not yet generated."""
        if self.outcome is not None or self._detokenizer is None:
            return self.outcome.text if self.outcome else ""
        parts: list[str] = []
        run: list[int] = []
        for position in range(self._canvas_end):
            token = self._canvas.get(position)
            if token is not None:
                run.append(token)
                continue
            parts += [self._detokenizer.decode(run), MASK] if run else [MASK]
            run = []
        return "".join(parts) + (self._detokenizer.decode(run) if run else "")

    def finished_choice(self) -> Choice:
        """Returns the choice with its final text. Call it only after the update that ends the completion."""
        assert self.outcome is not None
        return Choice(
            self.index,
            self.outcome.text,
            self.outcome.finish_reason,
            self._make_token_probabilities(self.outcome.output_tokens) if self._scored else None,
            explain_empty_answer(self.outcome, len(self._tokens)),
        )

    def _update_canvas(self, frames: Iterable[DecodingFrame]) -> None:
        for frame in frames:
            self._canvas |= dict(zip(frame.positions, frame.tokens, strict=True))
            self._canvas_end = max(self._canvas_end, frame.end)

    def _make_token_probabilities(self, token_count: int) -> list[TokenProbability]:
        assert self._detokenizer is not None
        return [
            TokenProbability(self._detokenizer.decode([token]), confidence)
            for token, confidence in zip(self._tokens[:token_count], self._confidences, strict=False)
        ]
