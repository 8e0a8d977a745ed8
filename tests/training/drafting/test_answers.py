"""Prompts, the target's answers and the shards that keep them."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest
import torch
from helpers.gguf_files import write_gguf
from helpers.open_checkpoints import build

from evalharness.diffusion.autoregression import decode_autoregressively
from evalharness.diffusion.checkpoints.gguf import open_gguf
from evalharness.diffusion.drafting.taps import HiddenStateRecorder
from evalharness.diffusion.forward import forward_rows, make_causal_input
from evalharness.diffusion.rows import Row, Sampler
from evalharness.generation.stopping import Detokenizer, StopChecker
from evalharness.training.corpus.decontamination import collect_benchmark_excerpts
from evalharness.training.drafting import prompts as prompts_module
from evalharness.training.drafting.answers import AnswerJob, generate_answers
from evalharness.training.drafting.eight_bit import quantize_linear_layers
from evalharness.training.drafting.features import compute_features
from evalharness.training.drafting.prompts import KINDS, TrainingPrompt, generate_prompts
from evalharness.training.drafting.shards import (
    TrainingText,
    list_shard_numbers,
    read_shard,
    read_texts_of_all_shards,
    shard_path,
    write_shard,
)


@pytest.fixture(autouse=True)
def few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts_module, "MOST_FILES", 20)


def test_shards_return_their_texts(tmp_path: Path) -> None:
    random = Random(0)
    texts = [
        TrainingText(
            random.choice(KINDS), tuple(random.choices(range(151_936), k=n)), tuple(random.choices(range(9), k=2 * n))
        )
        for n in range(1, 40)
    ]
    write_shard(tmp_path, 3, texts[:20])
    write_shard(tmp_path, 4, texts[20:])
    assert list_shard_numbers(tmp_path) == [3, 4]
    assert list(read_texts_of_all_shards(tmp_path)) == texts
    assert read_shard(shard_path(tmp_path, 4)) == texts[20:]


def test_prompts_have_all_kinds_and_repeat_for_a_seed() -> None:
    first, again = ([prompt for _, prompt in zip(range(60), generate_prompts(1, None, Counter()))] for _ in range(2))  # noqa: B905
    assert first == again
    assert {prompt.kind for prompt in first} == set(KINDS)
    assert all("{" + "prompt}" not in prompt.text for prompt in first)
    assert all(prompt.suffix or prompt.text for prompt in first)


def test_prompts_that_share_a_function_with_a_benchmark_are_left_out() -> None:
    prompts = [prompt for _, prompt in zip(range(30), generate_prompts(1, None, Counter()))]  # noqa: B905
    code = next(prompt for prompt in prompts if prompt.kind == "completion")
    dropped: Counter[str] = Counter()
    benchmarks = collect_benchmark_excerpts([code.text])
    kept = [prompt for _, prompt in zip(range(30), generate_prompts(1, benchmarks, dropped))]  # noqa: B905
    assert code not in kept
    assert sum(dropped.values()) >= 1


@pytest.mark.parametrize("together", [1, 3])
def test_answers_in_slots_are_those_of_plain_decoding(tmp_path: Path, together: int) -> None:
    target = open_gguf(write_gguf(tmp_path / "m.gguf", tmp_path, build(tmp_path, "qwen2")), torch.float32)
    decoder = Detokenizer(target.tokenizer)
    random = Random(1)
    prompts = [[random.randrange(1, 250) for _ in range(random.randint(1, 30))] for _ in range(13)]
    # Some begin alike, and one is the beginning of the one before it.
    prompts[3:9] = [[*range(9), *prompt] for prompt in prompts[3:9]]
    prompts[7] = prompts[6][:-2]
    limits = [random.randint(1, 25) for _ in prompts]
    # Some answers end before their limit.
    ends = frozenset(range(0, 400, 4))
    rows = [Row(prompt, StopChecker(decoder, ends, (), limit)) for prompt, limit in zip(prompts, limits, strict=True)]
    for row in rows:
        decode_autoregressively(target.model, [row], Sampler())
    source = TrainingPrompt("completion", "")
    jobs = [
        AnswerJob(source, prompt, StopChecker(decoder, ends, (), limit))
        for prompt, limit in zip(prompts, limits, strict=True)
    ]
    done = list(generate_answers(target.model, iter(jobs), 4, 64, lambda: False, (0, 1), together))
    assert len(done) == len(jobs)
    with HiddenStateRecorder(target.model, (0, 1)) as recorder:
        for job in done:
            assert job.features is not None
            again = compute_features(job.to_training_text(), target.model, recorder)
            observed = job.features.recorded_features()
            torch.testing.assert_close(observed.states[:-1], again.states[:-1], rtol=0.02, atol=0.02)
            assert observed.ids[:, 0].tolist() == job.answer
            torch.testing.assert_close(observed.probabilities, again.probabilities, rtol=0.02, atol=1e-3)
    assert [job.answer for job in jobs] == [row.text[len(row.prompt) :] for row in rows]
    assert any(job.answer[-1] in ends for job in jobs)


def test_eight_bit_products_are_close(tmp_path: Path) -> None:
    model = open_gguf(write_gguf(tmp_path / "m.gguf", tmp_path, build(tmp_path, "qwen2")), torch.float32).model
    tokens = torch.randint(0, 250, (60,), generator=torch.Generator().manual_seed(1)).tolist()

    def logits() -> torch.Tensor:
        return model.logits(forward_rows(model, [make_causal_input(0, tokens)], None))[0]

    exact = logits()
    quantize_linear_layers(model, logits)
    assert 0 < float((logits() - exact).norm() / exact.norm()) < 0.15
