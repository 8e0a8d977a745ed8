"""Collects the text of each choice while it is generated: final text, the canvas with masks, and how it ended."""

from collections.abc import Iterable

from evalharness.diffusion.serving.decoder import Frame
from evalharness.generation.stopping import Detokenizer
from evalharness.model_server.api.answer import Choice, TokenScore
from evalharness.model_server.api.messages import note_on_empty
from evalharness.model_server.engine.job import Job, Outcome, Update
from evalharness.model_server.engine.streams import TextStream

MASK = "\u2591"
"""The character that shows a mask in a stream with `diffusing`: a light shade."""


class ChoiceText:
    """Collects the text of one choice from the engine's updates."""

    def __init__(self, index: int, job: Job, detokenizer: Detokenizer | None, scored: bool) -> None:
        self.index, self._detokenizer, self._scored = index, detokenizer, scored
        self._stream = TextStream(detokenizer, job.prompt.stops) if detokenizer else None
        self._tokens: list[int] = []
        self._confidences: list[float] = []
        self._canvas: dict[int, int] = {}
        self._canvas_end = 0
        self.started = False
        """Whether a chunk was sent."""
        self.outcome: Outcome | None = None

    def add(self, update: Update) -> str:
        """Adds an update of the engine; returns the text of the choice that has become final with it."""
        self._tokens += update.tokens
        self._confidences += update.confidences
        self._update_canvas(update.frames)
        self.outcome = update.outcome or self.outcome
        new = self._stream.add(update.tokens) if self._stream else ""
        if self.outcome is None:
            return new
        return new + (self._stream.finish(self.outcome.text) if self._stream else self.outcome.text)

    def canvas(self) -> str:
        """Returns the choice's whole text with masks in place of open tokens; at the end, the final text."""
        if self.outcome is not None or self._detokenizer is None:
            return self.outcome.text if self.outcome else ""
        parts: list[str] = []
        run: list[int] = []
        for position in range(self._canvas_end):
            token = self._canvas.get(position)
            if token is not None:
                run.append(token)
                continue
            parts += [self._detokenizer.text(run), MASK] if run else [MASK]
            run = []
        return "".join(parts) + (self._detokenizer.text(run) if run else "")

    def choice(self) -> Choice:
        """Returns the finished choice for the answer."""
        assert self.outcome is not None
        return Choice(
            self.index,
            self.outcome.text,
            self.outcome.finish_reason,
            self._scores(self.outcome.output_tokens) if self._scored else None,
            note_on_empty(self.outcome, len(self._tokens)),
        )

    def _update_canvas(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self._canvas |= dict(zip(frame.positions, frame.tokens, strict=True))
            self._canvas_end = max(self._canvas_end, frame.end)

    def _scores(self, count: int) -> list[TokenScore]:
        assert self._detokenizer is not None
        return [
            TokenScore(self._detokenizer.text([token]), confidence)
            for token, confidence in zip(self._tokens[:count], self._confidences, strict=False)
        ]
