"""The backend `reference`: returns the official solutions, to check the harness itself. It generates nothing."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel

from evalharness.backends.factory import BackendConfig
from evalharness.backends.options import BackendOptions, parse_options
from evalharness.errors import UserError
from evalharness.records import Completion, Prompt, Request, Sampling


class ReferenceBackend:
    """The backend `reference`: returns each problem's official solution as its completion."""

    name = "reference"
    Options: ClassVar[type[BaseModel]] = BackendOptions

    def __init__(self, config: BackendConfig) -> None:
        """Raises UserError if a model is given: results would carry its name although it generates nothing."""
        if config.model is not None:
            raise UserError(
                "backend reference uses no model; leave --model out, or choose --backend transformers, openai or ar"
            )
        parse_options(BackendOptions, self.name, config.options)

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yields the problem's official solution for each request. Raises UserError if the problem has none."""
        for request in requests:
            text = request.problem.reference
            if text is None:
                raise UserError(
                    f"problem {request.problem.task_id} has no official solution, which backend reference needs; use "
                    "another --backend"
                )
            yield Completion(*request.key, text, form="solution", characters=len(text))

    def check_prompt(self, prompt: Prompt) -> None:
        """Accepts every prompt, since no prompt is sent to a model."""

    def describe(self) -> Mapping[str, Any]:
        """Returns the backend's entry in the run's manifest: only that the backend generates nothing."""
        return {"generates": False}

    def close(self) -> None:
        """Does nothing: the backend holds no resources."""
