"""Handles prompts without an answer: those that an endpoint refuses, and those for which the backend fails.

A run stops if its endpoint refuses every prompt; if it answers some, only the refused prompts' samples fail. Prompts
for which the backend fails have no verdict; with --settle-failures, their samples fail, too.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from evalharness.errors import UserError
from evalharness.metrics.answer_counts import UNANSWERED
from evalharness.records import Backend, Completion, Request, Sampling

MAX_INITIAL_REFUSALS = 5
"""Number of refused prompts, with none answered, after which no further request is sent."""


def is_unanswered(completion: Completion) -> bool:
    """Returns whether a stored completion is empty because its prompt was refused, or because the backend failed."""
    return not completion.text and completion.finish_reason in ("refused", UNANSWERED)


def generate_unless_refused(
    backend: Backend,
    requests: Iterable[Request],
    sampling: Sampling,
    any_answered: bool = False,
    settle_failures: bool = False,
) -> Iterator[Completion]:
    """Yields the backend's completions; raises UserError with the endpoint's message if it refuses every prompt.

    Completions of refused prompts are only yielded after another prompt is answered. After `MAX_INITIAL_REFUSALS`
    refusals without any answer, no further request is sent. `any_answered` is True if a prompt was already answered
    before the run was resumed.

    With `settle_failures` (--settle-failures), a prompt for which the backend fails gets an empty answer as soon as a
    later prompt is answered; the answer's field `refusal` contains the reason. At the end of the run, the remaining
    failed prompts also get an empty answer, unless the backend is probably down, as
    `_HeldBackFailures.release_remaining` describes.
    """
    sendable = _RequestsUntilAllRefused(requests, any_answered)
    failures = _HeldBackFailures(any_answered) if settle_failures else None
    while sendable.paused:
        sendable.paused = False
        for completion in backend.generate(sendable, sampling):
            for released in sendable.hold_or_release(completion):
                yield from failures.hold_or_release(released) if failures else [released]
        if sendable.waiting:
            raise UserError(
                f"the endpoint refused every prompt: {sendable.waiting[0].refusal}; change --model, a sampling setting "
                "or an --option"
            )
    if failures:
        yield from failures.release_remaining()


class _RequestsUntilAllRefused:
    """Iterates over the requests for a backend, and stops if the first `MAX_INITIAL_REFUSALS` prompts are refused."""

    def __init__(self, requests: Iterable[Request], any_answered: bool) -> None:
        self._requests = iter(requests)
        self._any_answered = any_answered
        self.waiting: list[Completion] = []
        """Refused prompts, while none was answered."""
        self.paused = True
        """Whether the iterator gives no further request to the backend."""

    def __iter__(self) -> Iterator[Request]:
        return self

    def __next__(self) -> Request:
        if self.paused:
            raise StopIteration
        return next(self._requests)

    def hold_or_release(self, completion: Completion) -> list[Completion]:
        """Receives a new completion; returns the completions that can be yielded now.

        Completions of refused prompts are held back until a prompt is answered.
        """
        is_refused = completion.finish_reason == "refused"
        self._any_answered |= not is_refused and not completion.error
        if is_refused and not self._any_answered:
            self.waiting.append(completion)
            self.paused = len(self.waiting) >= MAX_INITIAL_REFUSALS
            return []
        released = [*self.waiting, completion] if self._any_answered else [completion]
        if self._any_answered:
            self.waiting = []
        return released


class _HeldBackFailures:
    """Holds back the completions of prompts for which the backend failed, until the backend answers a later prompt."""

    def __init__(self, any_answered: bool) -> None:
        self._waiting: list[Completion] = []
        self._answered_before = any_answered
        self._answered_now = False
        self._stopped = False
        """Whether the backend sent no more requests because it failed for several in a row."""

    def hold_or_release(self, completion: Completion) -> list[Completion]:
        """Receives a new completion; returns the completions that can be yielded now.

        Completions with an error are held back until a prompt is answered, and then returned as empty answers.
        """
        if completion.error:
            self._stopped |= completion.finish_reason != UNANSWERED
            self._waiting.append(completion)
            return []
        self._answered_now = True
        released = [*map(_to_empty_answer, self._waiting), completion]
        self._waiting = []
        return released

    def release_remaining(self) -> list[Completion]:
        """Returns the completions that are still held back at the end of the run.

        They are returned unchanged, with their error, if the backend is probably down: it has never answered a prompt
        of this run, or it answered some in this process and then failed several times in a row. A resumed run sends
        these prompts again. Otherwise the prompts themselves are the probable cause, and the completions are returned
        as empty answers, which count as not solved.
        """
        any_answered = self._answered_before or self._answered_now
        are_unsolved = any_answered and not (self._stopped and self._answered_now)
        return [_to_empty_answer(completion) if are_unsolved else completion for completion in self._waiting]


def _to_empty_answer(completion: Completion) -> Completion:
    """Returns a failed completion as an empty answer with its error as `refusal`; unchanged if no request was sent."""
    if completion.finish_reason != UNANSWERED:
        return completion
    return replace(completion, error="", refusal=completion.error)
