"""Prompts that an endpoint refuses: a run settles them alone if the endpoint takes others, and else stops."""

from collections.abc import Iterable, Iterator

from evalharness.errors import UserError
from evalharness.records import Backend, Completion, Request, Sampling

REFUSED_AT_FIRST = 5
"""Refused prompts, with none answered, after which no further request is sent: the settings may be what is refused."""


def generate_settled(
    backend: Backend, requests: Iterable[Request], sampling: Sampling, any_answered: bool = False
) -> Iterator[Completion]:
    """Yields the backend's completions; those of refused prompts only once a prompt was answered.

    `any_answered` says that one was before, such as in an earlier stretch of the run. If the first `REFUSED_AT_FIRST`
    prompts are refused, only the requests in flight are waited for. Raises UserError, with what the endpoint says, if
    none of these is answered, either.
    """
    gate = _Gate(requests, any_answered)
    while gate.paused:
        gate.paused = False
        for completion in backend.generate(gate, sampling):
            yield from gate.settle(completion)
        if gate.waiting:
            raise UserError(f"{gate.waiting[0].refusal}; change --model, the sampling or an --option")


class _Gate:
    """The requests for a backend, as long as there is hope that it takes one of them."""

    def __init__(self, requests: Iterable[Request], any_answered: bool) -> None:
        self._requests = iter(requests)
        self._any_answered = any_answered
        self.waiting: list[Completion] = []
        """Refused prompts, while none was answered."""
        self.paused = True
        """Whether no further request is passed on."""

    def __iter__(self) -> Iterator[Request]:
        return self

    def __next__(self) -> Request:
        if self.paused:
            raise StopIteration
        return next(self._requests)

    def settle(self, completion: Completion) -> list[Completion]:
        """Returns what can be settled now that the completion is there."""
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
