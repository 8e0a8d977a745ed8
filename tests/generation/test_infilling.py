"""What is fed to models that infill by sentinel tokens, where they end, and who is refused beforehand."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.canvas_networks import (
    CUT_MIDDLE,
    CUT_PREFIX,
    MIDDLE,
    OTHER_MIDDLE,
    OTHER_PREFIX,
    PREFIX,
    QWEN,
    SUFFIX,
    asked,
    build_infilling_model,
    byte_level,
    sentencepiece_like,
)  # fmt: skip
from helpers.openai_calls import backend as endpoint_backend
from helpers.openai_calls import complete
from helpers.openai_server import say, serving
from helpers.tiny_model import GREEDY, HEAD, REST, backend, one, request
from transformers import AutoTokenizer, LlamaForCausalLM

from evalharness.errors import UserError
from evalharness.generation.infilling import find_infilling
from evalharness.generation.infilling_formats import FORMAT_NAMES, FORMATS, find_format
from evalharness.records import MiddleLength, Sampling

BYTE_LEVEL = {
    "qwen": QWEN,
    "codegemma": ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|file_separator|>"),
    "starcoder": ("<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<|endoftext|>", "<file_sep>"),
    "santacoder": ("<fim-prefix>", "<fim-middle>", "<fim-suffix>", "<fim-pad>", "<|endoftext|>"),
    "deepseek": ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>", "<｜end▁of▁sentence｜>"),
}
ORDER = {
    "qwen": "<|fim_prefix|> P <|fim_suffix|> S <|fim_middle|>",
    "codegemma": "<|fim_prefix|> P <|fim_suffix|> S <|fim_middle|>",
    "starcoder": "<fim_prefix> P <fim_suffix> S <fim_middle>",
    "santacoder": "<fim-prefix> P <fim-suffix> S <fim-middle>",
    "deepseek": "<｜fim▁begin｜> P <｜fim▁hole｜> S <｜fim▁end｜>",
}
"""As each family's own documentation writes it, with P and S for the texts."""


def ids(tokenizer: Any, *tokens: str) -> list[int]:
    return [tokenizer.get_vocab()[token] for token in tokens]


@pytest.mark.parametrize("family", BYTE_LEVEL)
def test_ids_of_families_with_byte_level_tokenizers(family: str) -> None:
    """Also where the texts begin and end with blanks, or inside a word."""
    tokenizer = byte_level(*BYTE_LEVEL[family])
    infilling = find_infilling(tokenizer, "auto")
    assert infilling is not None
    assert infilling.format.name == family
    for prefix, suffix in ((PREFIX, SUFFIX), ("x = fo", "o\n"), ("", "x"), ("x\n    ", "")):
        texts = {"P": tokenizer(prefix).input_ids, "S": tokenizer(suffix).input_ids}
        parts = [
            texts.get(word) or ids(tokenizer, word) if word not in texts else texts[word]
            for word in ORDER[family].split()
        ]
        assert infilling.encode(prefix, suffix) == [number for part in parts for number in part]
    written = "".join({"P": PREFIX, "S": SUFFIX}.get(word, word) for word in ORDER[family].split())
    assert tokenizer(written).input_ids == infilling.encode(PREFIX, SUFFIX)
    assert find_format(family).text(PREFIX, SUFFIX) == written


def test_ids_of_codellama() -> None:
    """A begin token, a space before the prefix, none before the suffix: llama/generation.py infilling_prompt_tokens."""
    tokenizer = sentencepiece_like("▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>")
    infilling = find_infilling(tokenizer, "auto")
    assert infilling is not None
    expected = ids(tokenizer, "<s>", "▁<PRE>", "▁", *"if▁a:", "\n", "▁<SUF>", "▁", "▁", *"b", "\n", "▁<MID>")
    assert infilling.encode("if a:\n", "  b\n") == expected
    assert infilling.encode("a", "b") == ids(tokenizer, "<s>", "▁<PRE>", "▁", "a", "▁<SUF>", "b", "▁<MID>")
    assert infilling.end_tokens >= set(ids(tokenizer, "▁<EOT>"))
    assert find_format("codellama").text("a", "b") == "<PRE> a <SUF>b <MID>"


def test_ids_of_codestral() -> None:
    """The suffix first, and no token after the prefix: mistral_common tokenizers/instruct.py encode_fim."""
    tokenizer = sentencepiece_like("[SUFFIX]", "[PREFIX]", "[MIDDLE]")
    infilling = find_infilling(tokenizer, "auto")
    assert infilling is not None
    expected = ids(tokenizer, "<s>", "[SUFFIX]", "▁", "b", "\n", "[PREFIX]", "▁", *"if▁a:", "\n")
    assert infilling.encode("if a:\n", " b\n") == expected
    assert infilling.encode("a", "") == ids(tokenizer, "<s>", "[SUFFIX]", "[PREFIX]", "▁", "a")
    assert infilling.end_tokens >= set(ids(tokenizer, "</s>"))
    assert find_format("codestral").text("a", "b") == "[SUFFIX]b[PREFIX]a"


def test_texts_that_look_like_places_are_texts() -> None:
    assert (
        find_format("qwen").text("{suffix}", "{prefix}") == "<|fim_prefix|>{suffix}<|fim_suffix|>{prefix}<|fim_middle|>"
    )


def test_every_family_says_where_it_is_documented_and_ends_at_its_own_sentinels() -> None:
    assert len(set(FORMAT_NAMES)) == len(FORMATS) == 7
    for format in FORMATS:
        assert format.source
        assert set(format.sentinels) <= set(format.end_texts)


def test_a_named_family_must_be_the_tokenizers() -> None:
    assert find_infilling(byte_level(), "auto") is None
    with pytest.raises(UserError, match=r"option fim=starcoder: .* no <fim_prefix>.*; use fim=auto"):
        find_infilling(byte_level(*QWEN), "starcoder")


@pytest.fixture(scope="session")
def infilling_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_infilling_model(tmp_path_factory.mktemp("infilling"))


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The rows of ids that models are asked to continue."""
    rows: list[list[int]] = []
    generate = LlamaForCausalLM.generate

    def spy(self: LlamaForCausalLM, given: torch.Tensor, **options: Any) -> Any:
        if "generation_config" in options:
            rows.extend(row[mask.bool()].tolist() for row, mask in zip(given, options["attention_mask"], strict=True))
        return generate(self, given, **options)

    monkeypatch.setattr(LlamaForCausalLM, "generate", spy)
    return rows


def test_a_model_is_fed_its_sentinels_and_ends_at_its_end_token(infilling_model: Path, fed: list[list[int]]) -> None:
    done = one(infilling_model, asked(PREFIX, SUFFIX))
    tokenizer = AutoTokenizer.from_pretrained(infilling_model)
    written = f"<|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>"
    assert fed == [tokenizer(written).input_ids]
    assert (done.text, done.finish_reason, done.prompt_tokens) == (MIDDLE, "stop", len(fed[0]))
    assert done.output_tokens == len(tokenizer(MIDDLE).input_ids)


def test_a_middle_ends_before_a_file_separator_and_before_a_text_that_ends_one(infilling_model: Path) -> None:
    """Tokens count up to there, and what follows is never decoded."""
    tokenizer = AutoTokenizer.from_pretrained(infilling_model)
    for prefix, middle in ((OTHER_PREFIX, OTHER_MIDDLE), (CUT_PREFIX, CUT_MIDDLE)):
        done = one(infilling_model, asked(prefix, SUFFIX))
        assert (done.text, done.finish_reason) == (middle, "stop")
        assert done.output_tokens == len(tokenizer(middle).input_ids)


def test_the_recipes_stops_cut_as_well(infilling_model: Path) -> None:
    done = one(infilling_model, asked(PREFIX, SUFFIX, ["\n"]))
    assert done.text == MIDDLE.removesuffix("\n")


def test_gaps_and_texts_share_a_batch(infilling_model: Path) -> None:
    """The ends of gaps are none of a text that is only continued."""
    rows = [asked(PREFIX, SUFFIX), request(HEAD, task_id="text"), asked(OTHER_PREFIX, SUFFIX, task_id="other")]
    assert [done.text for done in backend(infilling_model, 3).generate(rows, GREEDY)] == [MIDDLE, REST, OTHER_MIDDLE]


def test_the_manifest_says_how_it_infills(infilling_model: Path, model: Path) -> None:
    described = backend(infilling_model).describe()
    assert described["infilling"]["format"] == "qwen"
    assert "<|file_sep|>" in described["infilling"]["ends"]
    assert described["options"]["fim"] == "auto"
    assert backend(model).describe()["infilling"] is None


def test_a_tokenizer_without_sentinels_is_refused_before_the_model_is_loaded(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LlamaForCausalLM, "from_pretrained", None)
    refused = backend(model)
    refused.accept(request(HEAD).problem.prompt)
    with pytest.raises(UserError, match=r"no sentinel tokens for infilling .*qwen.*recipe=suffix-first") as caught:
        refused.accept(asked(PREFIX, SUFFIX).problem.prompt)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("middle", ["oracle", "canvas", "search"])
def test_models_that_write_from_left_to_right_take_free_middles_alone(
    middle: MiddleLength, infilling_model: Path
) -> None:
    prompt = asked(PREFIX, SUFFIX, middle=middle).problem.prompt
    for refusing in (backend(infilling_model), endpoint_backend()):
        with pytest.raises(UserError, match=rf"middle: {middle}.*from left to right.*recipe=plain"):
            refusing.accept(prompt)


def test_an_oracle_tells_a_length_and_does_not_show_its_text() -> None:
    oracle = asked(PREFIX, SUFFIX, middle="oracle").problem.prompt.oracle
    assert oracle is not None
    assert oracle.length(len) == len("    return a\n")
    assert "return" not in repr(oracle)


@pytest.mark.parametrize("options", [{}, {"api": "completions"}])
def test_an_endpoint_is_sent_the_suffix(options: dict[str, str]) -> None:
    with serving() as endpoint:
        endpoint.play(say(MIDDLE))
        prompt = asked(PREFIX, SUFFIX, ["\n\n"]).problem.prompt
        done = complete(endpoint, prompt, Sampling(max_new_tokens=64), stream=False, **options)
        (body,), (path,) = endpoint.bodies, endpoint.paths
    assert path == "/v1/completions"
    seed = body.pop("seed")
    assert isinstance(seed, int)
    assert body == {
        "model": "m", "prompt": PREFIX, "suffix": SUFFIX, "temperature": 0.0, "top_p": 1.0, "max_tokens": 64,
        "stream": False, "stop": ["\n\n"],
    }  # fmt: skip
    assert done.text == MIDDLE


def test_an_endpoint_without_suffix_is_sent_sentinels() -> None:
    """And the text is cut where the family's middles end, also at those ends that were not sent."""
    with serving() as endpoint:
        endpoint.play(say(f"{MIDDLE}<|repo_name|>x"))
        done = complete(endpoint, asked(PREFIX, SUFFIX).problem.prompt, stream=False, fim="qwen")
        (body,) = endpoint.bodies
    assert body["prompt"] == f"<|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>"
    assert "suffix" not in body
    assert body["stop"] == ["<|endoftext|>", "<|file_sep|>", "<|fim_pad|>", "<|cursor|>"]
    assert done.text == MIDDLE


def test_a_text_is_sent_without_suffix_whatever_the_option() -> None:
    with serving() as endpoint:
        endpoint.play(say("x"))
        complete(endpoint, request(HEAD).problem.prompt, stream=False, fim="qwen")
        assert (endpoint.bodies[0]["prompt"], "suffix" in endpoint.bodies[0]) == (HEAD, False)
        assert "stop" not in endpoint.bodies[0]


def test_a_chat_api_cannot_infill() -> None:
    with pytest.raises(UserError, match=r"a chat API cannot infill.*api=chat") as caught:
        endpoint_backend(api="chat").accept(asked(PREFIX, SUFFIX).problem.prompt)
    assert "\n" not in str(caught.value)
    endpoint_backend(api="chat").accept(request(HEAD).problem.prompt)
    with pytest.raises(UserError, match="extra cannot set suffix; use --option fim"):
        endpoint_backend(extra='{"suffix": "x"}')
