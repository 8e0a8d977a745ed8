"""The protocols (interfaces) that tasks, backends and sandboxes implement."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from evalharness.records.completions import Completion, Sampling
from evalharness.records.programs import Program
from evalharness.records.prompts import Problem, Prompt, Request
from evalharness.records.verdicts import Execution, Verdict


class Task(Protocol):
    """A benchmark, or one variant of it. Adapters implement it."""

    name: str

    def problems(self) -> Sequence[Problem]:
        """Returns the task's problems in the official order. Raises UserError if the data are malformed."""
        ...

    def program(self, problem: Problem, completion: Completion) -> Program | None:
        """Returns the program to run in the sandbox for a completion; None if its text alone decides."""
        ...

    def verdict(self, completion: Completion, execution: Execution) -> Verdict:
        """Returns the verdict by the official grader's rules. `execution` is empty if no program ran."""
        ...


class Backend(Protocol):
    """A source of completions (see also `SupportsPromptCheck`)."""

    name: str

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yields one completion per request, in any order, each as soon as it is ready.

        If the backend itself fails on a request, after retries, the completion has `error` set. Raises UserError if
        nothing can be generated at all, for example because the model cannot be loaded or the key is refused.
        """
        ...

    def describe(self) -> Mapping[str, Any]:
        """Returns everything about the backend that can change a result, for the manifest; without secrets."""
        ...

    def close(self) -> None:
        """Frees the backend's resources. Safe to call twice."""
        ...


@runtime_checkable
class SupportsPromptCheck(Protocol):
    """A backend that checks prompts before the run. One without this method supports all but infilling prompts."""

    def check_prompt(self, prompt: Prompt) -> None:
        """Raises UserError for an unsupported kind of prompt. Called once per task, before any work."""
        ...


def prompt_check(backend: Backend) -> Callable[[Prompt], None] | None:
    """Returns the backend's method `check_prompt` (`accept` before version 0.3), or None if it has neither."""
    return getattr(backend, "check_prompt", None) or getattr(backend, "accept", None)


@runtime_checkable
class KnowsChat(Protocol):
    """A backend that knows whether its model expects chat messages."""

    def why_chat_is_expected(self) -> str:
        """Returns why the model expects chat messages, such as "its tokenizer has a chat template"; else ""."""
        ...


@runtime_checkable
class AdjustsOptions(Protocol):
    """A backend that changes an option's value by itself if the endpoint refuses that value."""

    def adjustments(self) -> Mapping[str, str]:
        """Returns the options that the backend has changed, with the values that it sends instead."""
        ...


class Sandbox(Protocol):
    """Runs untrusted programs in isolation."""

    @property
    def max_text_bytes(self) -> int:
        """Size limit of an answer and of a program, in bytes of UTF-8; larger ones are `too_large`."""
        ...

    def run(self, program: Program) -> Execution:
        """Runs one program and returns what happened. Thread-safe. The program cannot cause an exception here."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Returns the sandbox's engine, image ids and toolchain versions, for the manifest."""
        ...

    def close(self) -> None:
        """Stops all containers of the sandbox. Safe to call twice."""
        ...
