"""Stops a run whose endpoint refuses every prompt; if it answers some, only the refused prompts' samples fail."""

from collections.abc import Iterable, Iterator

from evalharness.errors import UserError
from evalharness.records import Backend, Completion, Request, Sampling

REFUSED_AT_FIRST = 5
"""Number of refused prompts, with none answered, after which no further request is sent."""


def generate_unless_refused(
    backend: Backend, requests: Iterable[Request], sampling: Sampling, any_answered: bool = False
) -> Iterator[Completion]:
    """Yields the backend's completions; raises UserError if the endpoint refuses every prompt.

    `any_answered` says that a prompt was answered before the run was resumed. The completions of refused prompts are
    yielded once another prompt is answered. After `REFUSED_AT_FIRST` refusals without an answer, only the requests in
    flight are waited for. The error contains what the endpoint says.
    """
    gate = _RequestGate(requests, any_answered)
    while gate.paused:
        gate.paused = False
        for completion in backend.generate(gate, sampling):
            yield from gate.settle(completion)
        if gate.waiting:
            raise UserError(f"{gate.waiting[0].refusal}; change --model, the sampling or an --option")


class _RequestGate:
    """An iterator of requests for a backend that pauses when the first ones are all refused."""

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

    def settle(self, completion: Completion) -> list[Completion]:
        """Takes a completion and returns those that can be passed on; refusals wait for the first answered prompt."""
        refused = completion.finish_reason == "refused"
        self._any_answered |= not refused and not completion.error
        if refused and not self._any_answered:
            self.waiting.append(completion)
            self.paused = len(self.waiting) >= REFUSED_AT_FIRST
            return []
        settled = [*self.waiting, completion] if self._any_answered else [completion]
        if self._any_answered:
            self.waiting = []
        return settled
