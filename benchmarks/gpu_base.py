"""Tokens per second of a real model by autoregression and speculative decoding, through the project's backends."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from evalharness.backends.ar import AutoregressiveBackend
from evalharness.backends.diffusion.backend import DiffusionBackend
from evalharness.backends.factory import BackendConfig
from evalharness.records import Message, Problem, Prompt, Request, Sampling

TOKENS = 128
TASKS = (
    "returns the n-th Fibonacci number",
    "checks whether a string is a palindrome, ignoring case and punctuation",
    "merges two sorted lists into one sorted list",
    "parses a CSV line with quoted fields into a list of strings",
    "returns the prime factors of a positive integer in ascending order",
    "computes the Levenshtein distance of two strings",
    "rotates a matrix, given as a list of lists, by 90 degrees clockwise",
    "finds the longest common prefix of a list of strings",
)
"""What the functions do that the model is asked to write."""
METHODS: dict[str, tuple[type[AutoregressiveBackend] | type[DiffusionBackend], dict[str, str]]] = {
    "AR": (AutoregressiveBackend, {}),
    "lookup": (AutoregressiveBackend, {"draft": "lookup"}),
    "drafter": (DiffusionBackend, {"lookup": "false"}),
    "verified diffusion": (DiffusionBackend, {}),
}


class BaseBench:
    """Measures each method with each kind of kernels on the same prompts, one after another at batch size 1.

    The texts are compared with those of autoregression on PyTorch, which is measured first.
    """

    def __init__(
        self, model: str, drafter: str | None, options: dict[str, str], kernels: tuple[str, ...] = ("torch", "fused")
    ) -> None:
        """`drafter`: the folder of a drafter, by default the one that is bundled for the model."""
        self._model, self._options, self._kernels = model, options, kernels
        self._drafter = {"drafter": drafter} if drafter else {}
        self._texts: list[str] = []

    def measurements(self) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
        """The name of each measurement, and a function that makes it."""
        for kernels in self._kernels:
            for method in METHODS:
                yield f"{method}, {kernels}", partial(self._measure, method, kernels)

    def _measure(self, method: str, kernels: str) -> dict[str, Any]:
        kind, options = METHODS[method]
        options = {
            **self._options,
            **options,
            **(self._drafter if kind is DiffusionBackend else {}),
            "kernels": kernels,
        }
        backend = kind(BackendConfig(self._model, 1, options))
        requests = [
            Request(Problem(f"bench/{number}", Prompt(messages=(Message("user", task),)), {}, ""), 0)
            for number, task in enumerate(f"Write a Python function that {task}." for task in TASKS)
        ]
        sampling = Sampling(max_new_tokens=TOKENS)
        list(backend.generate(requests[:1], sampling))  # compiles
        completions = list(backend.generate(requests, sampling))
        backend.close()
        texts = [completion.text for completion in completions]
        self._texts = self._texts or texts
        tokens = sum(completion.output_tokens or 0 for completion in completions)
        spent = sum((completion.total_s or 0.0) - (completion.prefill_s or 0.0) for completion in completions)
        passes = sum(completion.forwards or 0 for completion in completions)
        same = sum(own == other for own, other in zip(texts, self._texts, strict=True)) / len(texts)
        return {
            "batch": 1,
            "per_pass": round(tokens / max(1, passes), 2),
            "tokens_per_s": tokens / spent,
            "same_tokens": same,
        }
