"""The drafter that is bundled for the code model in EVALHARNESS_BASE: found, lossless, and accepted."""

import gc
import os
from pathlib import Path

import pytest

from evalharness.backends.ar import AutoregressiveBackend
from evalharness.backends.diffusion.backend import DiffusionBackend
from evalharness.backends.factory import BackendConfig
from evalharness.records import Message, Problem, Prompt, Request, Sampling

BASE = os.environ.get("EVALHARNESS_BASE", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(BASE).exists() or not BASE, reason="EVALHARNESS_BASE names no model"),
]
QUESTIONS = (
    "Write a Python function that counts the vowels of a text.",
    "Write a Python class for a stack of numbers.",
)
GREEDY = Sampling(max_new_tokens=64)


def requests() -> list[Request]:
    prompts = [Prompt(messages=(Message("user", question),)) for question in QUESTIONS]
    return [Request(Problem(str(number), prompt, {}, ""), 0) for number, prompt in enumerate(prompts)]


def test_bundled_drafter_is_found_and_saves_passes() -> None:
    autoregressive = AutoregressiveBackend(BackendConfig(BASE, 1, {"dtype": "float32"}))
    plain = [completion.text for completion in autoregressive.generate(requests(), GREEDY)]
    autoregressive.close()
    gc.collect()
    backend = DiffusionBackend(BackendConfig(BASE, 1, {"dtype": "float32", "lookup": "false"}))
    drafted = list(backend.generate(requests(), GREEDY))
    manifest = backend.describe()
    assert [completion.text for completion in drafted] == plain
    assert manifest["drafter_target"] == "Qwen/Qwen2.5-Coder-0.5B-Instruct"
    assert manifest["target_matches"] is True
    tokens, passes = (sum(getattr(row, name) or 0 for row in drafted) for name in ("output_tokens", "forwards"))
    assert tokens / passes > 1.5
