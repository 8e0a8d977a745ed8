"""How the tests of the openai backend build one and ask it."""

from dataclasses import replace
from typing import Any

from evalharness.backends import BackendConfig
from evalharness.backends.openai.backend import OpenAIBackend
from evalharness.records import Completion, Message, Problem, Prompt, Request, Sampling
from helpers.openai_server import Endpoint

KEY = "sk-0123456789-abcdef"
TEXT = Prompt(text="def f():")
CHAT = Prompt(messages=(Message("system", "Write code."), Message("user", "f?")))
OPENED = replace(CHAT, prefill="```python\n")


def backend(endpoint: Endpoint | None = None, **options: Any) -> OpenAIBackend:
    """A backend of the endpoint, with pauses too short to matter."""
    given = {"retry_base_s": "0.002", **({"base_url": endpoint.url} if endpoint else {})}
    return OpenAIBackend(BackendConfig("m", options={**given, **{key: str(value) for key, value in options.items()}}))


def request(prompt: Prompt = TEXT, sample_id: int = 0, task_id: str = "t/0") -> Request:
    return Request(Problem(task_id, prompt, {}, ""), sample_id)


def samples(count: int) -> list[Request]:
    """Requests for so many samples of one problem."""
    return [request(sample_id=j) for j in range(count)]


def complete(endpoint: Endpoint, prompt: Prompt = TEXT, sampling: Sampling | None = None, **options: Any) -> Completion:
    """The one completion of one request."""
    [completion] = backend(endpoint, **options).generate([request(prompt)], sampling or Sampling())
    return completion
