"""Builds the backend `openai` for tests and sends requests through it."""

from dataclasses import replace
from typing import Any

from evalharness.backends import BackendConfig
from evalharness.backends.openai.backend import OpenAIBackend
from evalharness.records import Completion, Message, Problem, Prompt, Request, Sampling
from helpers.openai_server import Endpoint

KEY = "sk-0123456789-abcdef"
TEXT = Prompt(text="def f():")
CHAT = Prompt(messages=(Message("system", "Write code."), Message("user", "f?")))
CHAT_WITH_PREFILL = replace(CHAT, prefill="```python\n")


def backend(endpoint: Endpoint | None = None, **options: Any) -> OpenAIBackend:
    """Returns a backend of the endpoint that retries almost immediately."""
    defaults = {"retry_base_s": "0.002", **({"base_url": endpoint.url} if endpoint else {})}
    return OpenAIBackend(
        BackendConfig("m", options={**defaults, **{key: str(value) for key, value in options.items()}})
    )


def request(prompt: Prompt = TEXT, sample_id: int = 0, task_id: str = "t/0") -> Request:
    return Request(Problem(task_id, prompt, {}, ""), sample_id)


def sample_requests(count: int) -> list[Request]:
    """Returns requests for `count` samples of one problem."""
    return [request(sample_id=j) for j in range(count)]


def complete(endpoint: Endpoint, prompt: Prompt = TEXT, sampling: Sampling | None = None, **options: Any) -> Completion:
    """Returns the completion of one request."""
    [completion] = backend(endpoint, **options).generate([request(prompt)], sampling or Sampling())
    return completion
