"""Loading and describing a model, and the prompts it takes."""

import shutil
from pathlib import Path

import pytest
import torch
from helpers.tiny_model import CHAT, END, GREEDY, HEAD, REST, backend, one, request
from transformers import AutoTokenizer, LlamaForCausalLM

from evalharness.backends import BackendConfig
from evalharness.backends.transformers.backend import TransformersBackend
from evalharness.errors import UserError
from evalharness.records import Message, Problem, Prompt, Request, Sampling


def chat(content: str, prefill: str = "") -> Request:
    prompt = Prompt(messages=(Message("user", content),), prefill=prefill)
    return Request(Problem("c", prompt, {}, ""), 0)


def test_prompt_is_not_stripped(model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    for prompt in ("  \n x  ", HEAD + "\n    "):
        assert one(model, request(prompt), Sampling(max_new_tokens=1)).prompt_tokens == len(tokenizer(prompt).input_ids)


def test_chat_template_and_prefill(chat_model: Path) -> None:
    answer = CHAT.rpartition("code:")[2].removesuffix(END)
    done = one(chat_model, chat("double x"))
    assert done.text == answer
    assert done.prompt_tokens == len(
        AutoTokenizer.from_pretrained(chat_model)(CHAT.removesuffix(answer + END)).input_ids
    )
    prefill = " def double(x):"
    assert one(chat_model, chat("double x", prefill)).text == answer.removeprefix(prefill)


def test_chat_without_template(model: Path) -> None:
    with pytest.raises(UserError, match=r"no chat template.*--option recipe=") as caught:
        list(backend(model).generate([chat("double x")], GREEDY))
    assert "\n" not in str(caught.value)


def test_chat_template_option(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "template.jinja"
    file.write_text(HEAD + "{{ '' if add_generation_prompt else 'x' }}")
    (done,) = backend(model, chat_template=str(file)).generate([chat("anything")], GREEDY)
    assert done.text == REST
    file.write_text("{{ raise_exception('no system turn') }}")
    with pytest.raises(UserError, match="refuses the prompt: no system turn"):
        list(backend(model, chat_template=str(file)).generate([chat("anything")], GREEDY))
    with pytest.raises(UserError, match=r"chat_template=.* cannot be read"):
        backend(model, chat_template=str(tmp_path / "absent")).describe()


def test_missing_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs a model"):
        TransformersBackend(BackendConfig())
    for folder, reason in ((tmp_path / "absent", "does not exist"), (tmp_path, "cannot be loaded")):
        with pytest.raises(UserError, match=reason) as caught:
            list(backend(folder).generate([request("x")], GREEDY))
        assert "\n" not in str(caught.value)


def test_checkpoint_without_some_weights(model: Path, tmp_path: Path) -> None:
    """Weights that the library would make up at random are an error."""
    whole = LlamaForCausalLM.from_pretrained(model)
    weights = {k: v for k, v in whole.state_dict().items() if "layers.1.mlp" not in k}
    whole.save_pretrained(tmp_path, state_dict=weights)
    AutoTokenizer.from_pretrained(model).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"no weights for model\.layers\.1\.mlp"):
        backend(tmp_path).describe()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_absent_device(model: Path) -> None:
    with pytest.raises(UserError, match="0 CUDA devices"):
        backend(model, device="cuda").describe()


def test_describe_and_close(model: Path, tmp_path: Path) -> None:
    source = backend(model, 3, dtype="bfloat16", attn="eager")
    facts = source.describe()
    assert facts["model"] == str(model)
    assert (facts["dtype"], facts["attention"], facts["batch_size"]) == ("bfloat16", "eager", 3)
    assert facts["end_tokens"] == [AutoTokenizer.from_pretrained(model).eos_token_id]
    assert facts["parameters"] == LlamaForCausalLM.from_pretrained(model).num_parameters()
    source.close()
    source.close()
    changed = LlamaForCausalLM.from_pretrained(model)
    changed.model.norm.weight.data[3] += 1
    changed.save_pretrained(tmp_path)
    shutil.copytree(model, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors"))
    other, same = backend(tmp_path).describe(), backend(model).describe()
    assert other["config_sha256"] == same["config_sha256"]
    assert other["weights_sample_sha256"] != same["weights_sample_sha256"]
