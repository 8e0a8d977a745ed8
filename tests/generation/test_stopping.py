"""Stop sequences, end tokens, and the text and time of each row."""

from pathlib import Path

import pytest
from helpers.tiny_model import ADD, END, GREEDY, HEAD, REST, SNOW_HEAD, SNOW_REST, TURN, backend, complete, request
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerFast

from evalharness.generation.stopping import Detokenizer, StopChecker, count_kept_tokens, cut_at_stop_sequence


@pytest.mark.parametrize(
    ("stops", "text"),
    [
        (["\ndef"], REST.partition("\ndef")[0]),
        (["nothing", "b\n\nde", ""], REST.partition("b\n\nde")[0]),
        (["sub", " + b"], REST.partition(" + b")[0]),
        (["+"], REST.partition("+")[0]),
        (["\n"], ""),
        ([END], REST),
    ],
)
def test_text_is_cut_at_the_earliest_stop_sequence(model: Path, stops: list[str], text: str) -> None:
    completion = complete(model, request(HEAD, stops))
    assert (completion.text, completion.finish_reason, completion.characters) == (text, "stop", len(text))
    ids = AutoTokenizer.from_pretrained(model)(ADD.removeprefix(HEAD).removesuffix(END))["input_ids"]
    assert completion.output_tokens == smallest(model, ids, text)


def smallest(folder: Path, ids: list[int], text: str) -> int:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return next(n for n in range(len(ids) + 1) if tokenizer.decode(ids[:n]).startswith(text))


def test_stop_sequence_in_a_character_of_several_tokens(model: Path) -> None:
    completion = complete(model, request(SNOW_HEAD, ["ï"]))
    assert completion.text == SNOW_REST.partition("ï")[0]


@pytest.mark.parametrize("stop", ["☃ ünï ☃", "return '☃ ü", "\n    return", "ï ☃'\n"])
def test_row_ends_at_the_token_that_completes_the_stop_sequence(model: Path, stop: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    ids = tokenizer(SNOW_REST)["input_ids"]
    last = next(n for n in range(len(ids)) if stop in tokenizer.decode(ids[: n + 1]))
    checker = StopChecker(Detokenizer(tokenizer), frozenset(), ["absent", stop], limit=99)
    assert [checker.add_token_and_check_end(token) for token in ids[: last + 1]] == [False] * last + [True]
    assert checker.kept_text_and_token_count()[0] == SNOW_REST.partition(stop)[0]


def test_special_token_as_stop_sequence(model: Path) -> None:
    """Special tokens are not part of the text, but a stop sequence that is written like one ends it."""
    assert complete(model, request("# say")).text == "\nprint('a')\nprint('b')\n"
    completion = complete(model, request("# say", [TURN]))
    assert (completion.text, completion.finish_reason) == ("\nprint('a')\n", "stop")


def test_generation_ends_when_all_rows_have_ended(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    forward = LlamaForCausalLM.forward

    def counting_forward(self: LlamaForCausalLM, *args: object, **kwargs: object) -> object:
        steps.append(1)
        return forward(self, *args, **kwargs)

    source = backend(model, 2)
    source.describe()
    monkeypatch.setattr(LlamaForCausalLM, "forward", counting_forward)
    completions = list(source.generate([request(HEAD, ["return"]), request(SNOW_HEAD, ["return"])], GREEDY))
    assert [c.finish_reason for c in completions] == ["stop", "stop"]
    assert len(steps) == 2


def test_rows_of_a_batch_end_independently(model: Path) -> None:
    requests = [request(HEAD, ["return"]), request(HEAD)]
    early, late = backend(model, 2).generate(requests, GREEDY)
    assert late.text == REST
    assert early.first_output_s == late.first_output_s
    assert 0 < early.first_output_s <= early.total_s < late.total_s
    assert early.started_at == late.started_at


def sentencepiece_detokenizer() -> tuple[Detokenizer, list[int]]:
    """Returns a detokenizer that drops a text's first space, as Llama's does, and tokens that begin with spaces."""
    vocabulary = {"<unk>": 0, "▁a": 1, "▁▁▁": 2, "▁return": 3, "<0x0A>": 4, "▁": 5, "a": 6}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("▁", "a")], unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return Detokenizer(PreTrainedTokenizerFast(tokenizer_object=tokenizer)), [2, 3, 4, 2, 3]


def test_indentation_at_the_start_of_the_text_is_kept() -> None:
    detokenizer, tokens = sentencepiece_detokenizer()
    assert detokenizer.decode(tokens) == "    return\n    return"
    checker = StopChecker(detokenizer, frozenset(), ["\n  "], limit=9)
    assert [checker.add_token_and_check_end(token) for token in tokens[:4]] == [False, False, False, True]
    assert checker.kept_text_and_token_count() == ("    return", 2)


def test_cut_and_count() -> None:
    detokenizer, tokens = sentencepiece_detokenizer()
    assert cut_at_stop_sequence("ab c", ["c", "b", "x"]) == "a"
    assert cut_at_stop_sequence("ab c", []) == "ab c"
    assert count_kept_tokens(detokenizer, tokens, "") == 0
    assert count_kept_tokens(detokenizer, tokens, "    ret") == 2
    assert count_kept_tokens(detokenizer, tokens, "    return\n ") == 4
