"""The official solutions as completions: checks the harness itself. Nothing is generated, so nothing is timed."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from evalharness.backends import BackendConfig, parse_options
from evalharness.errors import UserError
from evalharness.records import Completion, Prompt, Request, Sampling


class ReferenceBackend:
    """Backend `reference`."""

    name = "reference"

    class Options(BaseModel):
        """No options."""

        model_config = ConfigDict(extra="forbid")

    def __init__(self, config: BackendConfig):
        """Raises UserError for a model, which would lend its name to solutions that are not its own."""
        if config.model is not None:
            raise UserError(
                "backend reference asks no model; leave --model out, or choose --backend transformers, openai or ar"
            )
        parse_options(self.Options, self.name, config.options)

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """Every sample of a problem is its official solution. Raises UserError for a problem that has none."""
        for request in requests:
            text = request.problem.reference
            if text is None:
                raise UserError(f"there is no official solution of {request.problem.task_id}; use another backend")
            yield Completion(*request.key, text, form="solution", characters=len(text))

    def accept(self, prompt: Prompt) -> None:
        """Takes any: no model is asked."""

    def describe(self) -> Mapping[str, Any]:
        """Says that nothing was generated."""
        return {"generates": False}

    def close(self) -> None:
        """Nothing to free."""
