"""The transformers backend against a plain greedy loop, on a model trained within the session."""

import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers.tiny_model import GREEDY, HEAD, POSITIONS, REST, SNOW_HEAD, SNOW_REST, backend, one, request
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from evalharness.backends import option_names
from evalharness.backends.transformers.backend import TransformersBackend
from evalharness.errors import UserError
from evalharness.records import Request, Sampling


def plain_greedy(folder: Path, prompt: str, limit: int) -> list[int]:
    """Generated ids by a loop without cache, padding or batch; the end token is left out."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = list(tokenizer(prompt)["input_ids"])
    start = len(ids)
    with torch.no_grad():
        while len(ids) - start < limit:
            token = int(network(torch.tensor([ids])).logits[0, -1].argmax())
            if token == tokenizer.eos_token_id:
                break
            ids.append(token)
    return ids[start:]


@pytest.mark.parametrize("prompt", [HEAD, SNOW_HEAD, "d", "# say", "nothing it has seen"])
@pytest.mark.parametrize("limit", [5, 60])
def test_greedy_is_a_plain_loop(model: Path, prompt: str, limit: int) -> None:
    ids = plain_greedy(model, prompt, limit)
    done = one(model, request(prompt), Sampling(max_new_tokens=limit))
    assert done.text == AutoTokenizer.from_pretrained(model).decode(ids, skip_special_tokens=True)
    assert done.output_tokens == len(ids)
    assert done.finish_reason == ("length" if len(ids) == limit else "stop")


def test_what_was_learnt_comes_back_whole(model: Path) -> None:
    """Also characters that take several tokens; and the generation config's penalty and length are not obeyed."""
    assert one(model, request(HEAD)).text == REST
    assert one(model, request(SNOW_HEAD)).text == SNOW_REST
    assert one(model, request(HEAD)).finish_reason == "stop"


def test_batches_give_what_single_rows_give(model: Path) -> None:
    asked = [request(text, task_id=text) for text in (HEAD, "d", SNOW_HEAD, "# say", "nothing it has seen", "x = [")]
    single = list(backend(model).generate(asked, GREEDY))
    for rows in (2, 4, 6):
        batched = list(backend(model, rows).generate(asked, GREEDY))
        assert [c.key for c in batched] == [r.key for r in asked]
        assert [(c.text, c.output_tokens, c.prompt_tokens) for c in batched] == [
            (c.text, c.output_tokens, c.prompt_tokens) for c in single
        ]
    assert {c.batch for c in single} == {1}
    assert {c.batch for c in batched} == {6}


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"dtype": "int3"}, "dtype"), ({"device": "tpu"}, "device"), ({"colour": "red"}, "colour")],
)
def test_bad_options(options: dict[str, str], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        backend(Path("x"), **options)


def test_too_long_prompt_fails_alone(model: Path) -> None:
    asked = [request(HEAD), request("x " * POSITIONS, task_id="long"), request(""), request(SNOW_HEAD)]
    first, long, empty, last = backend(model, 4).generate(asked, GREEDY)
    assert (first.text, last.text) == (REST, SNOW_REST)
    assert long.key == ("long", 0)
    assert (long.text, long.output_tokens, long.finish_reason, long.error) == ("", 0, "length", "")
    assert empty.error == "the prompt has no tokens"
    assert first.batch == 2


def test_a_prompt_with_little_room_gets_the_tokens_that_fit(model: Path) -> None:
    """Neither the row itself nor its neighbour, which may go on, is given up."""
    tight, first = backend(model, 2).generate([request("x" * (POSITIONS - 3)), request(HEAD)], GREEDY)
    assert tight.output_tokens is not None
    assert tight.prompt_tokens is not None
    assert tight.output_tokens <= POSITIONS - tight.prompt_tokens <= 3
    assert (tight.error, first.text) == ("", REST)


def test_out_of_memory_halves_the_batch(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [request(text, task_id=f"{i}") for i, text in enumerate([HEAD, "d", SNOW_HEAD, HEAD, "x" * 30])]
    expected = list(backend(model).generate(asked, GREEDY))
    generate = LlamaForCausalLM.generate

    def small(self: LlamaForCausalLM, ids: torch.Tensor, **kwargs: object) -> object:
        if ids.numel() > 25:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried ...\nmore")
        return generate(self, ids, **kwargs)

    monkeypatch.setattr(LlamaForCausalLM, "generate", small)
    with pytest.warns(UserWarning, match="batch of 4 rows exceeds the device memory; continuing with 2"):
        done = list(backend(model, 4).generate(asked, GREEDY))
    assert [c.text for c in done[:4]] == [c.text for c in expected[:4]]
    assert [c.batch for c in done] == [2, 2, 2, 2, None]
    assert done[4].error == "out of device memory with one row: CUDA out of memory. Tried ..."


def test_requests_are_pulled_a_batch_at_a_time(model: Path) -> None:
    pulled: list[int] = []

    def asked() -> Iterator[Request]:
        for j in range(5):
            pulled.append(j)
            yield request(HEAD, ["return"], sample_id=j)

    completions = backend(model, 2).generate(asked(), GREEDY)
    seen = []
    for completion in completions:
        seen.append((completion.sample_id, len(pulled)))
    assert seen == [(0, 2), (1, 2), (2, 4), (3, 4), (4, 5)]


def test_options_are_found() -> None:
    assert {"dtype", "device", "trust_remote_code"} <= option_names(TransformersBackend)


def test_nothing_heavy_before_it_is_needed() -> None:
    code = (
        "import sys; from evalharness.backends import BackendConfig;"
        "from evalharness.backends.transformers.backend import TransformersBackend;"
        "TransformersBackend(BackendConfig(model='x')); print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_generation_is_quiet(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(backend(model, 2).generate([request(HEAD), request("d")], Sampling(1.0, 0.9, 20)))
    assert capfd.readouterr() == ("", "")
