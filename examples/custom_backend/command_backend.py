"""Backend `command`: a program that reads a prompt on its standard input and writes the completion on its output.

evalharness run --task humaneval --backend command --option program="python my_model.py"
"""

import os
import shlex
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from evalharness.backends import BackendConfig, parse_options
from evalharness.errors import UserError
from evalharness.records import Completion, Prompt, Request, Sampling


class CommandBackend:
    name = "command"

    class Options(BaseModel):
        model_config = ConfigDict(extra="forbid")
        program: str
        """The command line to start for each request."""

    def __init__(self, config: BackendConfig):
        options = parse_options(self.Options, self.name, config.options)
        self.command = shlex.split(options.program)

    def check_prompt(self, prompt: Prompt) -> None:
        """Called once per task, before any work. Without this method, a backend gets text and chat prompts."""
        if prompt.text is None or prompt.suffix is not None:
            raise UserError("backend command only continues text; choose a recipe of kind completion")

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        settings = {
            "TEMPERATURE": str(sampling.temperature),
            "TOP_P": str(sampling.top_p),
            "MAX_NEW_TOKENS": str(sampling.max_new_tokens),
        }
        for request in requests:
            seed = {"SEED": f"{sampling.seed} {request.problem.task_id} {request.sample_id}"}
            yield self._complete(request, {**os.environ, **settings, **seed})

    def _complete(self, request: Request, environment: Mapping[str, str]) -> Completion:
        prompt = request.problem.prompt
        started_at, started = time.time(), time.perf_counter()
        result = subprocess.run(self.command, input=prompt.text, env=environment, capture_output=True, text=True)
        if result.returncode:  # not the model's answer: the sample is counted as `infrastructure`, not as wrong
            return Completion(*request.key, text="", error=f"exit code {result.returncode}: {result.stderr[-200:]}")
        ends = [position for stop in prompt.stops if (position := result.stdout.find(stop)) >= 0]
        text = result.stdout[: min(ends)] if ends else result.stdout
        return Completion(
            *request.key,
            text=text,
            characters=len(text),
            started_at=started_at,
            total_s=time.perf_counter() - started,
            finish_reason="stop",
        )

    def describe(self) -> Mapping[str, Any]:
        """What can change a number, for the manifest."""
        return {"command": self.command}

    def close(self) -> None:
        pass
