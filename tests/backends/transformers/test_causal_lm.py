"""Loading and describing a model, and encoding its prompts."""

import shutil
from pathlib import Path

import pytest
import torch
from helpers.tiny_model import CHAT, END, GREEDY, HEAD, REST, backend, complete, request
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
        assert complete(model, request(prompt), Sampling(max_new_tokens=1)).prompt_tokens == len(
            tokenizer(prompt).input_ids
        )


def test_a_model_with_a_chat_template_is_known_to_expect_chats(model: Path, chat_model: Path) -> None:
    assert backend(chat_model).why_chat_is_expected() == "the model's tokenizer has a chat template"
    assert backend(model).why_chat_is_expected() == ""


def test_chat_template_and_prefill(chat_model: Path) -> None:
    answer = CHAT.rpartition("code:")[2].removesuffix(END)
    completion = complete(chat_model, chat("double x"))
    assert completion.text == answer
    assert completion.prompt_tokens == len(
        AutoTokenizer.from_pretrained(chat_model)(CHAT.removesuffix(answer + END)).input_ids
    )
    prefill = " def double(x):"
    assert complete(chat_model, chat("double x", prefill)).text == answer.removeprefix(prefill)


def test_chat_prompt_without_template_is_a_user_error(model: Path) -> None:
    with pytest.raises(UserError, match=r"no chat template.*--option recipe=") as caught:
        list(backend(model).generate([chat("double x")], GREEDY))
    assert "\n" not in str(caught.value)


def test_chat_template_option(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "template.jinja"
    file.write_text(HEAD + "{{ '' if add_generation_prompt else 'x' }}")
    (completion,) = backend(model, chat_template=str(file)).generate([chat("anything")], GREEDY)
    assert completion.text == REST
    file.write_text("{{ raise_exception('no system turn') }}")
    with pytest.raises(UserError, match="rejects the prompt: no system turn"):
        list(backend(model, chat_template=str(file)).generate([chat("anything")], GREEDY))
    with pytest.raises(UserError, match=r"chat_template=.* cannot be read"):
        backend(model, chat_template=str(tmp_path / "absent")).describe()


def test_model_that_cannot_be_loaded_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs a model"):
        TransformersBackend(BackendConfig())
    for folder, reason in ((tmp_path / "absent", "does not exist"), (tmp_path, "cannot be loaded")):
        with pytest.raises(UserError, match=reason) as caught:
            list(backend(folder).generate([request("x")], GREEDY))
        assert "\n" not in str(caught.value)


def test_checkpoint_with_missing_weights_is_a_user_error(model: Path, tmp_path: Path) -> None:
    """transformers would initialize them at random."""
    whole = LlamaForCausalLM.from_pretrained(model)
    weights = {k: v for k, v in whole.state_dict().items() if "layers.1.mlp" not in k}
    whole.save_pretrained(tmp_path, state_dict=weights)
    AutoTokenizer.from_pretrained(model).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"no weights for model\.layers\.1\.mlp"):
        backend(tmp_path).describe()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_missing_device_is_a_user_error(model: Path) -> None:
    with pytest.raises(UserError, match="0 CUDA devices"):
        backend(model, device="cuda").describe()


def test_description_distinguishes_weights(model: Path, tmp_path: Path) -> None:
    source = backend(model, 3, dtype="bfloat16", attn="eager")
    description = source.describe()
    assert description["model"] == str(model)
    assert (description["dtype"], description["attention"], description["batch_size"]) == ("bfloat16", "eager", 3)
    assert description["end_tokens"] == [AutoTokenizer.from_pretrained(model).eos_token_id]
    assert description["parameters"] == LlamaForCausalLM.from_pretrained(model).num_parameters()
    source.close()
    source.close()
    changed = LlamaForCausalLM.from_pretrained(model)
    changed.model.norm.weight.data[3] += 1
    changed.save_pretrained(tmp_path)
    shutil.copytree(model, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors"))
    other, same = backend(tmp_path).describe(), backend(model).describe()
    assert other["config_sha256"] == same["config_sha256"]
    assert other["weights_sample_sha256"] != same["weights_sample_sha256"]
