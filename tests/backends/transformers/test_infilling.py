"""Infilling by sentinel tokens with a tiny model that is trained for it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.infilling_models import (
    CUT_MIDDLE,
    CUT_PREFIX,
    MIDDLE,
    OTHER_MIDDLE,
    OTHER_PREFIX,
    PREFIX,
    SUFFIX,
    build_infilling_model,
    infilling_request,
)  # fmt: skip
from helpers.tiny_model import GREEDY, HEAD, REST, backend, complete, request
from transformers import AutoTokenizer, LlamaForCausalLM

from evalharness.errors import UserError
from evalharness.records import MiddleLength


@pytest.fixture(scope="session")
def infilling_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_infilling_model(tmp_path_factory.mktemp("infilling"))


@pytest.fixture
def model_inputs(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Collects the token ids of the prompts that models receive, without padding."""
    rows: list[list[int]] = []
    generate = LlamaForCausalLM.generate

    def recording_generate(self: LlamaForCausalLM, inputs: torch.Tensor, **options: Any) -> Any:
        if "generation_config" in options:
            rows.extend(row[mask.bool()].tolist() for row, mask in zip(inputs, options["attention_mask"], strict=True))
        return generate(self, inputs, **options)

    monkeypatch.setattr(LlamaForCausalLM, "generate", recording_generate)
    return rows


def test_prompt_has_sentinels_and_middle_ends_at_the_end_token(
    infilling_model: Path, model_inputs: list[list[int]]
) -> None:
    completion = complete(infilling_model, infilling_request(PREFIX, SUFFIX))
    tokenizer = AutoTokenizer.from_pretrained(infilling_model)
    written = f"<|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>"
    assert model_inputs == [tokenizer(written).input_ids]
    assert (completion.text, completion.finish_reason, completion.prompt_tokens) == (
        MIDDLE,
        "stop",
        len(model_inputs[0]),
    )
    assert completion.output_tokens == len(tokenizer(MIDDLE).input_ids)


def test_middle_ends_before_a_file_separator_and_before_an_end_text(infilling_model: Path) -> None:
    """Only tokens before that count."""
    tokenizer = AutoTokenizer.from_pretrained(infilling_model)
    for prefix, middle in ((OTHER_PREFIX, OTHER_MIDDLE), (CUT_PREFIX, CUT_MIDDLE)):
        completion = complete(infilling_model, infilling_request(prefix, SUFFIX))
        assert (completion.text, completion.finish_reason) == (middle, "stop")
        assert completion.output_tokens == len(tokenizer(middle).input_ids)


def test_middle_is_also_cut_at_the_stop_sequences_of_the_recipe(infilling_model: Path) -> None:
    completion = complete(infilling_model, infilling_request(PREFIX, SUFFIX, ["\n"]))
    assert completion.text == MIDDLE.removesuffix("\n")


def test_infilling_and_text_prompts_share_a_batch(infilling_model: Path) -> None:
    """End texts of the infilling format do not end a text prompt."""
    rows = [
        infilling_request(PREFIX, SUFFIX),
        request(HEAD, task_id="text"),
        infilling_request(OTHER_PREFIX, SUFFIX, task_id="other"),
    ]
    assert [completion.text for completion in backend(infilling_model, 3).generate(rows, GREEDY)] == [
        MIDDLE,
        REST,
        OTHER_MIDDLE,
    ]


def test_description_has_the_infilling_format(infilling_model: Path, model: Path) -> None:
    described = backend(infilling_model).describe()
    assert described["infilling"]["format"] == "qwen"
    assert "<|file_sep|>" in described["infilling"]["ends"]
    assert described["options"]["fim"] == "auto"
    assert backend(model).describe()["infilling"] is None


def test_tokenizer_without_sentinels_is_refused_before_the_model_is_loaded(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LlamaForCausalLM, "from_pretrained", None)
    source = backend(model)
    source.check_prompt(request(HEAD).problem.prompt)
    with pytest.raises(
        UserError, match=r"has the sentinel tokens of no known FIM format .*qwen.*recipe=suffix-first"
    ) as caught:
        source.check_prompt(infilling_request(PREFIX, SUFFIX).problem.prompt)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("middle_length", ["oracle", "canvas", "search"])
def test_left_to_right_models_take_only_free_middles(middle_length: MiddleLength, infilling_model: Path) -> None:
    prompt = infilling_request(PREFIX, SUFFIX, middle_length=middle_length).problem.prompt
    with pytest.raises(UserError, match=rf"middle: {middle_length}.*from left to right.*recipe=plain"):
        backend(infilling_model).check_prompt(prompt)
