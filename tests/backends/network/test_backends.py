"""The backends `ar` and `diffusion` with a small random checkpoint in the project's own format."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.network_backends import SPECIAL, ar, build, diffusion, infilling_request, text_request

from evalharness.backends import BackendConfig
from evalharness.backends.diffusion.backend import DiffusionBackend
from evalharness.backends.diffusion.length_search import candidate_middle_lengths, score_middles
from evalharness.backends.diffusion.options import DiffusionOptions
from evalharness.backends.network import loading
from evalharness.backends.network.loading import load_network
from evalharness.backends.network.rows import tokenize_prompt
from evalharness.diffusion.rows import Row
from evalharness.errors import UserError
from evalharness.generation.stopping import StopChecker
from evalharness.records import Completion, Message, MiddleLengthOracle, Prompt, Sampling

SAMPLING = Sampling(max_new_tokens=20)
NO_TOKENS = "the prompt has no tokens, so the model cannot continue it; change the recipe or its template"
TEXTS = ("def f(a):\n    return", "x", "for i in range(3):\n    print(i)\n", "snow ☃")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("own"))


def essentials(completions: Sequence[Completion]) -> list[tuple[Any, ...]]:
    return [(row.key, row.text, row.output_tokens, row.forwards, row.finish_reason) for row in completions]


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_batch_size_does_not_change_completions(folder: Path, temperature: float) -> None:
    requests = [text_request(text, number) for number, text in enumerate(TEXTS)]
    sampling = Sampling(temperature, 0.9, 20, seed=3)
    for make in (diffusion, ar):
        single, batch = (list(make(folder, rows).generate(requests, sampling)) for rows in (1, 3))
        assert essentials(single) == essentials(batch)
        assert [row.batch for row in batch] == [3, 3, 3, 1]
        for row in batch:
            assert row.total_s is not None
            assert row.prefill_s is not None
            assert row.first_output_s is not None
            assert 0 < row.prefill_s < row.first_output_s <= row.total_s


def test_drafting_gives_the_text_of_plain_decoding(folder: Path) -> None:
    requests = [text_request(text, number) for number, text in enumerate(TEXTS)]
    for sampling in (SAMPLING, Sampling(0.8, 1.0, 20)):
        plain, fast = (list(ar(folder, 2, **more).generate(requests, sampling)) for more in ({}, {"draft": "6"}))
        assert [row.text for row in fast] == [row.text for row in plain]
        assert [row.output_tokens for row in fast] == [row.output_tokens for row in plain]


def test_trace_has_the_text_and_the_pass_of_each_token(folder: Path) -> None:
    for make in (diffusion, ar):
        for row in make(folder, 2, trace="true").generate(
            [text_request(TEXTS[3], 0), text_request(TEXTS[1], 1)], SAMPLING
        ):
            assert row.trace is not None
            assert "".join(row.trace.tokens) == row.text
            assert len(row.trace.steps) == len(row.trace.blocks) == len(row.trace.tokens) == row.output_tokens
            assert row.forwards is not None
            assert max(row.trace.steps) == row.forwards - 1
        (untraced,) = make(folder).generate([text_request("a")], SAMPLING)
        assert untraced.trace is None


def test_rules_differ_and_schedules_take_their_number_of_steps(folder: Path) -> None:
    passes = {}
    settings_of_rule = {
        "threshold": {"threshold": "0.1"},
        "confidence": {"steps": "4"},
        "entropy": {"steps": "4"},
        "factor": {},
    }
    for rule, settings in settings_of_rule.items():
        (row,) = diffusion(folder, rule=rule, **settings).generate([text_request("x", 1)], SAMPLING)
        passes[rule] = row.forwards
        assert row.text
    assert passes["confidence"] in (11, 12)
    assert len(set(passes.values())) > 1
    description = diffusion(folder, rule="dynamic", block="4", threshold="0.7").describe()
    assert description["options"]["rule"] == "dynamic"
    assert (description["options"]["block"], description["options"]["threshold"]) == (4, 0.7)
    assert diffusion(folder).describe()["options"]["block"] == 8


def test_infilling_by_sentinels_with_every_middle_length(folder: Path) -> None:
    """A causal network reads the suffix before the middle. With an oracle the middle has exactly its length."""
    (free,) = diffusion(folder).generate([infilling_request("free")], SAMPLING)
    (canvas,) = diffusion(folder).generate([infilling_request("canvas")], SAMPLING)
    assert (free.text, free.prompt_tokens) == (canvas.text, len("def f():\n\n    return a\n") + 3)
    (left_to_right,) = ar(folder).generate([infilling_request("free")], SAMPLING)
    assert left_to_right.prompt_tokens == free.prompt_tokens
    (oracle,) = diffusion(folder).generate([infilling_request("oracle", "    a = 1")], SAMPLING)
    assert (oracle.output_tokens, oracle.finish_reason) == (9, "length")
    (none,) = diffusion(folder).generate([infilling_request("oracle", "")], SAMPLING)
    assert (none.text, none.output_tokens, none.error) == ("", 0, "")
    (search,) = diffusion(folder).generate([infilling_request("search")], SAMPLING)
    assert search.output_tokens in candidate_middle_lengths(20)
    assert search.batch == len(candidate_middle_lengths(20))
    assert search.forwards is not None
    assert oracle.forwards is not None
    assert search.forwards > oracle.forwards


def test_bidirectional_network_denoises_a_canvas(tmp_path: Path) -> None:
    bidirectional = build(tmp_path, "bidirectional", seed=1)
    (oracle,) = diffusion(bidirectional).generate([infilling_request("oracle", "    a = 1")], SAMPLING)
    assert oracle.output_tokens == 9
    assert oracle.prompt_tokens == len("def f():\n")
    (other,) = diffusion(bidirectional).generate(
        [
            text_request(
                "def f():\n", suffix="\n    return b\n", middle_length="oracle", oracle=MiddleLengthOracle("    a = 1")
            )
        ],
        SAMPLING,
    )
    assert other.text != oracle.text
    (search,) = diffusion(bidirectional).generate([infilling_request("search")], SAMPLING)
    assert search.output_tokens in candidate_middle_lengths(20)
    (filled,) = diffusion(bidirectional).generate([infilling_request("canvas")], SAMPLING)
    assert filled.output_tokens is not None
    assert filled.output_tokens <= 20
    with pytest.raises(UserError, match="must be set in advance; use --option recipe=canvas"):
        diffusion(bidirectional).check_prompt(infilling_request("free").problem.prompt)
    (text,) = diffusion(bidirectional).generate([text_request("x")], SAMPLING)
    assert text.forwards


def test_middle_score_includes_the_end_token(folder: Path) -> None:
    loaded = load_network(str(folder), DiffusionOptions())
    rows = []
    for output in ([40, 41, 42], [50]):
        row = Row([30, 31], StopChecker(loaded.detokenizer, frozenset(), (), 9))
        for token in output:
            row.append_token(token, 0, 0)
        rows.append(row)
    for row, score in zip(rows, score_middles(loaded, rows), strict=True):
        tokens = [*row.prompt, *row.output, 0]
        causal_mask = torch.ones(len(tokens), len(tokens), dtype=torch.bool).tril()
        hidden = loaded.model(torch.tensor([tokens]), torch.arange(len(tokens))[None], causal_mask[None, None])
        all_log_probabilities = loaded.model.logits(hidden)[0].log_softmax(-1)
        log_probabilities = [float(all_log_probabilities[place - 1, tokens[place]]) for place in range(2, len(tokens))]
        assert score == pytest.approx(sum(log_probabilities) / len(log_probabilities), abs=1e-4)
        assert row.forward_passes == 1


def test_candidate_lengths_of_a_search() -> None:
    assert candidate_middle_lengths(1) == [1]
    assert candidate_middle_lengths(20) == [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 16, 19, 20]
    assert candidate_middle_lengths(64)[-2:] == [54, 64]


def test_chat_messages_are_encoded_as_in_training(folder: Path) -> None:
    loaded = load_network(str(folder), DiffusionOptions())
    prompt = Prompt(messages=(Message("user", "double x"),), prefill="```")
    tokens = tokenize_prompt(loaded, prompt)
    assert loaded.tokenizer.decode(tokens) == "<|user|>\ndouble x\n<|assistant|>\n```"


def test_prompt_without_room_for_output_gives_an_empty_completion(folder: Path) -> None:
    long, short = diffusion(folder, 2).generate([text_request("a" * 130, 0), text_request("a" * 120, 1)], SAMPLING)
    assert (long.text, long.finish_reason, long.output_tokens, long.error) == ("", "length", 0, "")
    assert short.output_tokens is not None
    assert short.output_tokens <= 8
    (empty,) = ar(folder).generate([text_request("")], SAMPLING)
    assert empty.error == NO_TOKENS


def test_batch_that_exceeds_the_device_memory_is_an_error_of_the_backend(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*_: Any) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.\nmore")

    monkeypatch.setattr("evalharness.diffusion.forward.Transformer.forward", out_of_memory)
    for make in (diffusion, ar):
        for row in make(folder, 2).generate([text_request("a", 0), text_request("", 1)], SAMPLING):
            assert (row.text, row.output_tokens, row.finish_reason) == ("", None, "error")
            assert row.error == (
                "out of device memory: CUDA out of memory. Tried to allocate 9 GiB.; use a smaller --batch-size"
                if row.sample_id == 0
                else NO_TOKENS
            )
    (search,) = diffusion(folder).generate([infilling_request("search")], SAMPLING)
    assert search.error.startswith("out of device memory")


def test_user_errors_are_one_line(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "BUNDLED_NETWORK", tmp_path)
    with pytest.raises(UserError, match="weights of the bundled network are not installed; give --model a checkpoint"):
        DiffusionBackend(BackendConfig()).describe()
    with pytest.raises(UserError, match=r"unknown rule of backend diffusion 'hope'; known: .*threshold"):
        diffusion(folder, rule="hope")
    with pytest.raises(UserError, match=r"threshold='2' .* less than or equal to 1"):
        diffusion(folder, threshold="2")
    with pytest.raises(
        UserError, match=r"option threshold has no effect with rule=confidence; .* another rule: threshold"
    ):
        diffusion(folder, rule="confidence", threshold="0.9")
    with pytest.raises(UserError, match="option steps has no effect with rule=threshold"):
        diffusion(folder, steps="8").describe()  # the rule comes with the model
    with pytest.raises(UserError, match=r"option block=5000: model .* context of .* tokens; give a smaller block"):
        diffusion(folder, block="5000").describe()
    with pytest.raises(UserError, match="did you mean threshold"):
        diffusion(folder, treshold="1")
    with pytest.raises(UserError, match="--batch-size a number of at least 1"):
        ar(folder, 0)
    with pytest.raises(UserError, match="does not exist"):
        diffusion(tmp_path / "none").describe()
    with pytest.raises(UserError, match=r"middle: oracle.*backend ar"):
        ar(folder).check_prompt(infilling_request("oracle", "a").problem.prompt)
    bidirectional = build(tmp_path / "bidirectional", "bidirectional")
    with pytest.raises(
        UserError, match="is a diffusion model, which backend ar cannot decode; use --backend diffusion"
    ):
        ar(bidirectional, draft="4").describe()
    with pytest.raises(UserError, match="lacks the FIM sentinel tokens"):
        diffusion(build(tmp_path / "bare", special=SPECIAL[:3])).check_prompt(infilling_request("free").problem.prompt)
