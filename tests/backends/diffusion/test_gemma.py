"""DiffusionGemma with a tiny random checkpoint: the text of transformers' sampler, with passes, blocks and times."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.network_backends import SPECIAL, infilling_request, text_request
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion, PreTrainedTokenizerFast

from evalharness.backends import BackendConfig
from evalharness.backends.diffusion.backend import DiffusionBackend
from evalharness.errors import UserError
from evalharness.generation.sampling import derive_sample_seed
from evalharness.records import Sampling

TEXT = {
    "vocab_size": 300, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 16, "global_head_dim": 16, "sliding_window": 64,
    "layer_types": ["sliding_attention", "full_attention"], "max_position_embeddings": 128, "pad_token_id": 1,
    "eos_token_id": 0, "bos_token_id": 2, "num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 16,
}  # fmt: skip
VISION = {
    "model_type": "gemma4_vision", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8,
}  # fmt: skip
SAMPLING = Sampling(max_new_tokens=40, seed=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gemma")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = DiffusionGemmaConfig(
        text_config=TEXT, vision_config=VISION, canvas_length=16, image_token_id=299, boi_token_id=298, eoi_token_id=297
    )
    DiffusionGemmaForBlockDiffusion(config).save_pretrained(path)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(special_tokens=list(SPECIAL), initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([], trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>").save_pretrained(path)
    return path


def backend(folder: Path, **options: str) -> DiffusionBackend:
    return DiffusionBackend(BackendConfig(str(folder), 2, options))


def test_text_is_that_of_the_sampler_of_transformers(folder: Path) -> None:
    requests = [text_request("def f(a):\n", 0), text_request("x = ", 1)]
    completions = list(backend(folder, steps="5", trace="true").generate(requests, SAMPLING))
    model: Any = DiffusionGemmaForBlockDiffusion.from_pretrained(folder).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    for request, row in zip(requests, completions, strict=True):
        ids = tokenizer(request.problem.prompt.text)["input_ids"]
        torch.manual_seed(derive_sample_seed(5, request.key))
        generated = model.generate(torch.tensor([ids]), max_new_tokens=40, max_denoising_steps=5, eos_token_id=[0])
        tokens = generated.sequences[0, len(ids) :].tolist()[:40]
        tokens = tokens[: tokens.index(0)] if 0 in tokens else tokens
        assert row.text == tokenizer.decode(tokens, skip_special_tokens=True)
        assert row.output_tokens == len(tokens)
        canvases = len(tokens) // 16 + 1
        assert row.forwards is not None
        assert row.forwards <= 5 * canvases + canvases - 1
        assert row.trace is not None
        assert row.trace.blocks == tuple(position // 16 for position in range(len(tokens)))
        assert max(row.trace.steps) < row.forwards
        assert row.prefill_s is not None
        assert row.first_output_s is not None
        assert row.total_s is not None
        assert 0 < row.prefill_s < row.first_output_s <= row.total_s
    (alone,) = backend(folder, steps="5").generate(requests[1:], SAMPLING)
    assert alone.text == completions[1].text


def test_stop_sequence_ends_a_row_after_its_canvas(folder: Path) -> None:
    (uncut,) = backend(folder, steps="2").generate([text_request("x = ", 1)], SAMPLING)
    stop = uncut.text[3]
    (cut,) = backend(folder, steps="2").generate([text_request("x = ", 1, stops=(stop,))], SAMPLING)
    assert cut.text == uncut.text[: uncut.text.index(stop)]
    assert cut.forwards is not None
    assert uncut.forwards is not None
    assert cut.forwards < uncut.forwards


def test_sampler_is_described_and_other_rules_are_refused(folder: Path) -> None:
    description = backend(folder, steps="7").describe()
    assert (description["family"], description["canvas_length"]) == ("diffusion_gemma", 16)
    assert description["sampler"]["max_denoising_steps"] == "7"
    with pytest.raises(UserError, match=r"option rule has no effect on model .* has its own sampler"):
        backend(folder, rule="factor").describe()
    with pytest.raises(UserError, match="cannot infill; use --option recipe=suffix-first"):
        backend(folder).check_prompt(infilling_request("free").problem.prompt)
    backend(folder).check_prompt(text_request("x").problem.prompt)
