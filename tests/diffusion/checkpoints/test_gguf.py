"""GGUF files that the package `gguf` writes, against the Hugging Face folder of the same weights."""

from pathlib import Path

import pytest
import torch
from helpers.gguf_files import Kind, logits, write_gguf
from helpers.open_checkpoints import build

from evalharness.diffusion.checkpoints.gguf import open_gguf
from evalharness.diffusion.checkpoints.gguf_file import read_gguf_identity
from evalharness.diffusion.checkpoints.loading import open_checkpoint
from evalharness.errors import UserError

ARCHITECTURES = ("qwen2", "qwen3", "llama")
TOKENS = torch.randint(0, 250, (70,), generator=torch.Generator().manual_seed(1)).tolist()


@pytest.mark.parametrize("kind", [Kind.F32, Kind.F16])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_exact_weights_give_the_logits_of_the_folder(tmp_path: Path, architecture: str, kind: Kind) -> None:
    model = build(tmp_path, architecture)
    folder = open_checkpoint(str(tmp_path), torch.float32, torch.device("cpu"))
    if kind == Kind.F16:
        for network in (model, folder.model):
            for parameter in network.parameters():
                if parameter.dim() == 2:
                    parameter.copy_(parameter.half().float())
    file = open_gguf(write_gguf(tmp_path / "model.gguf", tmp_path, model, kind), torch.float32)
    assert torch.equal(logits(file.model, TOKENS), logits(folder.model, TOKENS))
    assert file.model.config.tied == folder.model.config.tied
    assert file.end_ids == folder.end_ids
    assert file.family == folder.family


@pytest.mark.parametrize(("kind", "error"), [(Kind.Q8_0, 0.03), (Kind.Q5_0, 0.3), (Kind.BF16, 0.03)])
def test_quantized_weights_are_close(tmp_path: Path, kind: Kind, error: float) -> None:
    model = build(tmp_path, "qwen2")
    exact = open_gguf(write_gguf(tmp_path / "exact.gguf", tmp_path, model), torch.float32)
    coarse = open_gguf(write_gguf(tmp_path / "coarse.gguf", tmp_path, model, kind), torch.float32)
    weight, rounded = exact.model.layers[0].gate_up.weight, coarse.model.layers[0].gate_up.weight
    assert 0 < float((weight - rounded).norm() / weight.norm()) < error


def test_llama_without_its_permutation_has_other_logits(tmp_path: Path) -> None:
    model = build(tmp_path, "llama")
    right = open_gguf(write_gguf(tmp_path / "right.gguf", tmp_path, model), torch.float32)
    wrong = open_gguf(write_gguf(tmp_path / "wrong.gguf", tmp_path, model, permute=False), torch.float32)
    assert not torch.allclose(logits(right.model, TOKENS), logits(wrong.model, TOKENS), atol=0.1)


def test_tied_network_with_a_separate_head_takes_the_head_for_both(tmp_path: Path) -> None:
    model = build(tmp_path, "qwen2")
    model.config.tie_word_embeddings = False
    head = model.lm_head.weight.clone()
    embedding = model.model.embed_tokens
    embedding.weight = torch.nn.Parameter(head + 0.01 * head.abs().mean(), requires_grad=False)
    file = open_gguf(write_gguf(tmp_path / "model.gguf", tmp_path, model), torch.float32)
    assert file.model.config.tied
    assert torch.equal(file.model.embed.weight, head)
    embedding.weight = torch.nn.Parameter(torch.randn_like(head), requires_grad=False)
    file = open_gguf(write_gguf(tmp_path / "untied.gguf", tmp_path, model), torch.float32)
    assert not file.model.config.tied
    assert torch.equal(file.model.head.weight, head)


def test_tokenizer_and_chat_template_are_those_of_the_folder(tmp_path: Path) -> None:
    model = build(tmp_path, "qwen2")
    folder = open_checkpoint(str(tmp_path), torch.float32, torch.device("cpu"))
    file = open_gguf(write_gguf(tmp_path / "model.gguf", tmp_path, model), torch.float32)
    messages = [{"role": "user", "content": "Sort  ünï\n"}]
    texts = [
        one.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        for one in (file, folder)
    ]
    assert texts[0] == texts[1]
    assert file.tokenizer(texts[0])["input_ids"] == folder.tokenizer(texts[0])["input_ids"]
    ids = file.tokenizer("<|end|>def f():\n    return 1")["input_ids"]
    assert ids[0] == 0
    assert file.tokenizer.decode(ids) == "<|end|>def f():\n    return 1"
    assert file.tokenizer.decode(ids, skip_special_tokens=True) == "def f():\n    return 1"


def test_origin_names_quantization_and_digest(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "model.gguf", tmp_path, build(tmp_path, "qwen2"))
    origin = read_gguf_identity(path)
    assert origin.quantization == "ALL_F32"
    assert len(origin.sha256) == 64


@pytest.mark.parametrize("size", [0, 3, 20, 500, 30_000])
def test_truncated_file_is_one_line(tmp_path: Path, size: int) -> None:
    path = write_gguf(tmp_path / "model.gguf", tmp_path, build(tmp_path, "qwen2"))
    assert path.stat().st_size > 30_000
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UserError, match=r"model.gguf is not a valid GGUF file") as caught:
        open_gguf(path, torch.float32)
    assert "\n" not in str(caught.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    with pytest.raises(UserError, match="cannot be read"):
        open_gguf(path, torch.float32)
    path.write_bytes(b"PK" + bytes(100))
    with pytest.raises(UserError, match="does not begin with the bytes 'GGUF'"):
        open_gguf(path, torch.float32)


def test_unknown_architecture_and_tokenizer_are_refused(tmp_path: Path) -> None:
    model = build(tmp_path, "qwen2")
    write_gguf(tmp_path / "split.gguf", tmp_path, model, split="tekken")
    with pytest.raises(UserError, match="tokenizer of type 'gpt2' with pre-tokenizer 'tekken'"):
        open_gguf(tmp_path / "split.gguf", torch.float32)
    model.config.model_type = "gemma2"
    write_gguf(tmp_path / "gemma.gguf", tmp_path, model)
    with pytest.raises(UserError, match="architecture 'gemma2'"):
        open_gguf(tmp_path / "gemma.gguf", torch.float32)
