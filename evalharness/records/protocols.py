"""The protocols (interfaces) that tasks, backends and sandboxes implement."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from evalharness.records.completions import Completion, Sampling
from evalharness.records.programs import Program
from evalharness.records.prompts import Problem, Prompt, Request
from evalharness.records.verdicts import Execution, Verdict


class Task(Protocol):
    """A benchmark, or one variant of a benchmark. Each benchmark's adapter implements this protocol."""

    name: str

    def problems(self) -> Sequence[Problem]:
        """Returns the task's problems in the official order. Raises UserError if the data are malformed."""
        ...

    def program(self, problem: Problem, completion: Completion) -> Program | None:
        """Returns the program to run in the sandbox for a completion; None if the verdict needs no execution."""
        ...

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Returns a completion's verdict, by the official grader's rules. `execution` is empty if no program ran."""
        ...


class Backend(Protocol):
    """A source of completions, such as a model.

    Optional methods: see `SupportsPromptCheck`, `KnowsChat` and `AdjustsOptions`.
    """

    name: str

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yields one completion per request, in any order, each as soon as it is ready.

        If the backend itself fails on a request, after retries, the completion has `error` set. Raises UserError if
        nothing can be generated at all, for example because the model cannot be loaded or the key is refused.
        """
        ...

    def describe(self) -> Mapping[str, Any]:
        """Returns everything about the backend that can change a result, except secrets, for the run's manifest."""
        ...

    def close(self) -> None:
        """Frees the backend's resources. Safe to call twice."""
        ...


@runtime_checkable
class SupportsPromptCheck(Protocol):
    """A backend that checks prompts before a run.

    A backend without this method is assumed to support all prompts except infilling prompts.
    """

    def check_prompt(self, prompt: Prompt) -> None:
        """Raises UserError if the backend does not support this kind of prompt. Called once per task, before a run."""
        ...


def find_prompt_check(backend: Backend) -> Callable[[Prompt], None] | None:
    """Returns the backend's method `check_prompt` (`accept` before version 0.3), or None if it has neither."""
    return getattr(backend, "check_prompt", None) or getattr(backend, "accept", None)


@runtime_checkable
class KnowsChat(Protocol):
    """A backend that knows whether its model expects chat messages."""

    def why_chat_is_expected(self) -> str:
        """Returns the reason to send chat messages to this model ("its tokenizer has a chat template"), or ""."""
        ...


@runtime_checkable
class AdjustsOptions(Protocol):
    """A backend that itself changes the value of an option if the endpoint refuses the user's value."""

    def adjusted_options(self) -> Mapping[str, str]:
        """Returns the new values, by option name, of the options that the backend has changed."""
        ...


class Sandbox(Protocol):
    """Runs untrusted programs in isolation, such as in containers."""

    @property
    def max_text_bytes(self) -> int:
        """Maximum size of an answer and of a program, in bytes of UTF-8; larger ones get the status `too_large`."""
        ...

    def run(self, program: Program) -> Execution:
        """Runs one program and returns the result. Thread-safe. Raises no exception, whatever the program does."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Returns the sandbox's engine, image ids and toolchain versions, for a run's manifest."""
        ...

    def close(self) -> None:
        """Stops all containers of the sandbox. Safe to call twice."""
        ...
