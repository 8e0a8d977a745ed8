"""Open model families on small random checkpoints, compared with transformers and with each published decoding loop."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.open_checkpoints import KINDS, MASK, block_causal, build, logits

from evalharness.backends import BackendConfig
from evalharness.backends.ar import AutoregressiveBackend
from evalharness.backends.diffusion.backend import DiffusionBackend
from evalharness.backends.diffusion.options import DiffusionOptions
from evalharness.backends.diffusion.rows import make_denoising_row, make_denoising_settings
from evalharness.backends.network.loading import load_network
from evalharness.backends.network.rows import tokenize_prompt
from evalharness.diffusion.checkpoints.families import FAMILIES
from evalharness.diffusion.checkpoints.loading import Checkpoint, open_checkpoint
from evalharness.diffusion.decoding import denoise
from evalharness.errors import UserError
from evalharness.generation.sampling import derive_sample_seed
from evalharness.records import Message, Problem, Prompt, Request, Sampling

Opened = dict[str, tuple[Path, Any, Checkpoint]]
TEXTS = ("def f(a, b):\n    return", "x = [1, 2, 3]\nfor i in range(len(x)):\n    pr")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    found = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(kind)
        model = build(folder, kind)
        found[kind] = folder, model, open_checkpoint(str(folder), torch.float32, torch.device("cpu"))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_logits_equal_those_of_transformers_with_the_familys_mask(kind: str, opened: Opened) -> None:
    _, model, ours = opened[kind]
    tokens = torch.randint(0, 250, (70,), generator=torch.Generator().manual_seed(1)).tolist()
    order, attention = torch.arange(70), ours.model.config.attention
    mask_ = torch.ones(70, 70, dtype=torch.bool)
    if attention == "causal":
        mask_ = order[:, None] >= order
    elif attention == "block_causal":
        mask_ = block_causal(70, ours.model.config.block_size)
    expected = logits(model, tokens, mask_)
    found = ours.model.logits(ours.model(torch.tensor([tokens]), order[None], mask_[None, None]))[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_family_settings(opened: Opened) -> None:
    settings = {
        kind: (one.model.config.mask_id, one.model.config.shift, one.model.config.block_size, one.family.rule)
        for kind, (_, _, one) in opened.items()
    }
    assert settings["llada"] == (MASK, False, 32, "confidence")
    assert settings["Dream"] == (MASK, True, 0, "entropy")
    assert settings["open-dcoder"] == (1, True, 0, "entropy")
    assert settings["Fast_dLLM_Qwen"] == (MASK, True, 32, "threshold")
    assert settings["sdar"] == (MASK, False, 4, "dynamic")
    assert [settings[kind][0] for kind in ("qwen2", "qwen3", "llama")] == [-1, -1, -1]
    published = {"llada": 126336, "Dream": 151666, "Fast_dLLM_Qwen": 151665, "sdar": 151669}
    assert {kind: FAMILIES[kind].mask_id for kind in published} == published


def ask(text: str, number: int = 0) -> Request:
    return Request(Problem(f"t/{number}", Prompt(text), {}, ""), number)


def generated(folder: Path, count: int, temperature: float = 0.0, **options: Any) -> list[list[int]]:
    """The output tokens of both texts, decoded by the backend in one batch."""
    given, sampling = DiffusionOptions(**options), Sampling(temperature, 1.0, count, 0)
    network = load_network(str(folder), given)
    how = make_denoising_settings(network, given, sampling, has_fixed_middle_length=False)
    rows = [make_denoising_row(network, ask(text, number), sampling, how) for number, text in enumerate(TEXTS)]
    denoise(network.model, rows, how)
    return [row.output for row in rows]


def ids(ours: Checkpoint, text: str) -> list[int]:
    return list(ours.tokenizer(text)["input_ids"])


def until_end(ours: Checkpoint, tokens: list[int]) -> list[int]:
    return next((tokens[:place] for place, token in enumerate(tokens) if token in ours.end_ids), tokens)


def without_mask(found: torch.Tensor, mask: int) -> torch.Tensor:
    return found.index_fill(-1, torch.tensor([mask]), -torch.inf)


def pick(out: torch.Tensor, temperature: float, uniforms: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities after temperature, and tokens: the likeliest, or drawn by inverting the cumulative distribution."""
    if not temperature:
        return out.softmax(-1), out.argmax(-1)
    probabilities = (out / temperature).double().softmax(-1)
    sums = probabilities.cumsum(-1)
    drawn = [int((row <= at * row[-1]).sum()) for row, at in zip(sums, uniforms, strict=True)]
    return probabilities, torch.tensor(drawn)


def random_numbers(number: int) -> list[float]:
    """The random numbers of the text with that number."""
    generator = torch.Generator().manual_seed(derive_sample_seed(0, (f"t/{number}", number)))
    return [value for _ in range(60) for value in torch.rand(64, generator=generator).tolist()]


@pytest.mark.parametrize("steps", [None, 8])
def test_llada_decodes_as_published(steps: int | None, opened: Opened) -> None:
    """Blocks of 32; each pass commits the most confident masks, as many as an even schedule says."""
    folder, model, ours = opened["llada"]
    found = generated(folder, 64, steps=steps)
    passes, mask = steps or 32, MASK
    for text, output in zip(TEXTS, found, strict=True):
        prompt = ids(ours, text)
        x = torch.tensor(prompt + [mask] * 64)
        for block in range(2):
            end = len(prompt) + 32 * (block + 1)
            for step in range(passes):
                out = without_mask(logits(model, x.tolist(), torch.ones(len(x), len(x), dtype=torch.bool)), mask)
                chance, best = out.softmax(-1).max(-1)
                chance[(x != mask) | (torch.arange(len(x)) >= end)] = -torch.inf
                chosen = chance.topk(32 // passes + (step < 32 % passes)).indices
                x[chosen] = best[chosen]
        assert output == until_end(ours, x[len(prompt) :].tolist())


@pytest.mark.parametrize("kind", ["Dream", "open-dcoder"])
@pytest.mark.parametrize(("steps", "temperature"), [(24, 0.0), (7, 0.0), (7, 0.6)])
def test_dream_and_open_dcoder_decode_as_published(kind: str, steps: int, temperature: float, opened: Opened) -> None:
    """The whole canvas at once; lowest entropy after temperature first; logits of the position before."""
    folder, model, ours = opened[kind]
    found = generated(folder, 24, temperature, steps=steps)
    mask = ours.model.config.mask_id
    for number, (text, output) in enumerate(zip(TEXTS, found, strict=True)):
        prompt, numbers = ids(ours, text), random_numbers(number)
        x = torch.tensor(prompt + [mask] * 24)
        times = torch.linspace(1, 1e-3, steps + 1)
        for step in range(steps):
            places = (x == mask).nonzero()[:, 0]
            out = logits(model, x.tolist(), torch.ones(len(x), len(x), dtype=torch.bool))
            out = without_mask(torch.cat([out[:1], out[:-1]]), mask)[places]
            probabilities, best = pick(out, temperature, [numbers[step * 24 + int(at) - len(prompt)] for at in places])
            score = (probabilities * probabilities.clamp_min(1e-10).log()).sum(-1)
            many = int(len(places) * (1 - times[step + 1] / times[step])) if step < steps - 1 else len(places)
            chosen = score.topk(many).indices
            x[places[chosen]] = best[chosen]
        assert output == until_end(ours, x[len(prompt) :].tolist())


@pytest.mark.parametrize(("threshold", "temperature"), [(0.85, 0.0), (0.02, 0.0), (0.1, 0.5)])
def test_sdar_decodes_as_published(threshold: float, temperature: float, opened: Opened) -> None:
    """Blocks of four, counted from the start of the text; all masks above the threshold, or as many as the schedule
    says."""
    folder, model, ours = opened["sdar"]
    found = generated(folder, 20, temperature, threshold=threshold, steps=2)
    mask = MASK
    for number, (text, output) in enumerate(zip(TEXTS, found, strict=True)):
        prompt, numbers, passes = ids(ours, text), random_numbers(number), 0
        size = -(-(len(prompt) + 20) // 4) * 4
        x = torch.tensor(prompt + [mask] * (size - len(prompt)))
        for start in range(len(prompt) // 4 * 4, size, 4):
            for _ in range(4):
                masked = x[start : start + 4] == mask
                if not masked.any():
                    break
                out = logits(model, x[: start + 4].tolist(), block_causal(start + 4, 4))[start:]
                probabilities, best = pick(without_mask(out, mask), temperature, numbers[4 * passes : 4 * passes + 4])
                passes += 1
                chance = probabilities.gather(1, best[:, None])[:, 0]
                chance[~masked] = -torch.inf
                high = chance > threshold
                if high.sum() < 2:
                    high = torch.zeros_like(high).index_fill(0, chance.topk(min(2, int(masked.sum()))).indices, True)
                x[start : start + 4][high] = best[high]
        assert output == until_end(ours, x[len(prompt) :].tolist()[:20])


@pytest.mark.parametrize("threshold", [0.9, 0.02])
def test_fast_dllm_v2_decodes_as_published(threshold: float, opened: Opened) -> None:
    """Blocks of 32 in sub-blocks of eight; the last token of a block predicts the first of the next."""
    folder, model, ours = opened["Fast_dLLM_Qwen"]
    found = generated(folder, 70, threshold=threshold)
    mask = MASK
    for text, output in zip(TEXTS, found, strict=True):
        x = ids(ours, text)
        size = len(x) + 70
        while len(x) < size:
            start = len(x) // 32 * 32
            if len(x) == start and start:
                x.append(int(without_mask(logits(model, x, block_causal(start, 32))[-1], mask).argmax()))
            block = torch.tensor(x[start:] + [mask] * (start + 32 - len(x)))
            for part in range(0, 32, 8):
                while (block[part : part + 8] == mask).any():
                    out = logits(model, x[:start] + block.tolist(), block_causal(start + 32, 32))[start:]
                    out = without_mask(torch.cat([out[:1], out[:-1]])[part : part + 8], mask)
                    chance, best = out.softmax(-1).max(-1)
                    masked = block[part : part + 8] == mask
                    chance[~masked] = -torch.inf
                    fix = chance > threshold
                    fix[chance.argmax()] = True
                    block[part : part + 8][fix] = best[fix]
            x = x[:start] + block.tolist()
        assert output == until_end(ours, x[size - 70 : size])


@pytest.mark.parametrize("kind", ["qwen2", "qwen3", "llama"])
def test_autoregressive_models_generate_the_text_of_transformers(kind: str, opened: Opened) -> None:
    folder, model, ours = opened[kind]
    backend = AutoregressiveBackend(BackendConfig(str(folder), 2))
    done = list(backend.generate([ask(text, number) for number, text in enumerate(TEXTS)], Sampling(max_new_tokens=16)))
    for text, row in zip(TEXTS, done, strict=True):
        prompt = ids(ours, text)
        expected = model.generate(torch.tensor([prompt]), max_new_tokens=16, do_sample=False, eos_token_id=[0])[0]
        output = until_end(ours, expected[len(prompt) :].tolist())
        assert (row.output_tokens, row.text) == (len(output), ours.tokenizer.decode(output, skip_special_tokens=True))
    verified = DiffusionBackend(BackendConfig(str(folder), 2)).generate(
        [ask(text, number) for number, text in enumerate(TEXTS)], Sampling(max_new_tokens=16)
    )
    assert [row.text for row in verified] == [row.text for row in done]  # drafted by lookup alone
    with pytest.raises(UserError, match="only with a drafter, and none is bundled for it"):
        DiffusionBackend(BackendConfig(str(folder), 1, {"lookup": "false"})).describe()
    with pytest.raises(UserError, match="is not trained for self-speculative decoding"):
        AutoregressiveBackend(BackendConfig(str(folder), 1, {"draft": "4"})).describe()


def test_chat_prompts_use_the_checkpoints_template(opened: Opened) -> None:
    network = load_network(str(opened["sdar"][0]), DiffusionOptions())
    prompt = Prompt(messages=(Message("user", "double x"),), prefill="```")
    assert network.tokenizer.decode(tokenize_prompt(network, prompt)) == "<user>double x<a>```"


def test_unreadable_and_unsupported_checkpoints_are_refused(opened: Opened, tmp_path: Path) -> None:
    folder = opened["sdar"][0]
    with pytest.raises(UserError, match="supports only blocks of 4 tokens; leave the option out"):
        DiffusionBackend(BackendConfig(str(folder), 1, {"block": "8"})).describe()
    for change, match in (
        ({"model_type": "mamba"}, "has model_type 'mamba'"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4}}, "RoPE scaling 'yarn' is not supported by this backend"),
        ({"num_hidden_layers": 3}, r"has no weight tensor model\.layers\.2"),
        ({"vocab_size": 9}, "do not fit the model's configuration"),
    ):
        values = json.loads((folder / "config.json").read_text()) | change
        for path in folder.iterdir():
            (tmp_path / path.name).unlink(missing_ok=True)
            (tmp_path / path.name).symlink_to(path)
        (tmp_path / "config.json").unlink()
        (tmp_path / "config.json").write_text(json.dumps(values))
        with pytest.raises(UserError, match=match):
            open_checkpoint(str(tmp_path), torch.float32, torch.device("cpu"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"config\.json is missing or empty; give --model a checkpoint folder"):
        open_checkpoint(str(tmp_path / "empty"), torch.float32, torch.device("cpu"))


def test_a_damaged_file_is_not_treated_as_missing(opened: Opened, tmp_path: Path) -> None:
    for path in opened["sdar"][0].iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "generation_config.json").unlink(missing_ok=True)
    open_checkpoint(str(tmp_path), torch.float32, torch.device("cpu"))
    for text in ('{"eos_token_id": 5', "[5]"):
        (tmp_path / "generation_config.json").write_text(text)
        with pytest.raises(UserError, match=r"generation_config\.json"):
            open_checkpoint(str(tmp_path), torch.float32, torch.device("cpu"))


@pytest.mark.parametrize("kind", ["llada", "Dream"])
@pytest.mark.parametrize("hold", [0, 3, 32])
def test_end_tokens_are_held_back(kind: str, hold: int, opened: Opened) -> None:
    """A network that ends at once writes on: as under LLaDA's `logits_eos_inf`, in the first `hold` tokens."""
    folder, model, ours = opened[kind]
    steps = 8
    end = generated(folder, 32, steps=steps)[0][0]  # from now on, the first token of the text ends it
    given, sampling = DiffusionOptions(hold_end=hold, steps=steps), Sampling(0.0, 1.0, 32, 0)
    network = replace(load_network(str(folder), given), end_tokens=frozenset({end}))
    how = make_denoising_settings(network, given, sampling, has_fixed_middle_length=False)
    row = make_denoising_row(network, ask(TEXTS[0]), sampling, how)
    denoise(network.model, [row], how)
    prompt = ids(ours, TEXTS[0])
    x = torch.tensor(prompt + [MASK] * 32)
    times = torch.linspace(1, 1e-3, steps + 1)
    for step in range(steps):
        places = (x == MASK).nonzero()[:, 0]
        out = without_mask(logits(model, x.tolist(), torch.ones(len(x), len(x), dtype=torch.bool)), MASK)
        out = torch.cat([out[:1], out[:-1]]) if ours.model.config.shift else out
        out[len(prompt) : len(prompt) + hold, end] = -torch.inf
        probabilities, best = out[places].softmax(-1), out[places].argmax(-1)
        if kind == "llada":
            score, many = probabilities.max(-1).values, 32 // steps
        else:
            score = (probabilities * probabilities.clamp_min(1e-10).log()).sum(-1)
            many = int(len(places) * (1 - times[step + 1] / times[step])) if step < steps - 1 else len(places)
        chosen = score.topk(many).indices
        x[places[chosen]] = best[chosen]
    expected = x[len(prompt) :].tolist()
    assert row.output == (expected[: expected.index(end)] if end in expected else expected)
    assert len(row.output) >= hold
    assert hold or not row.output


def test_held_end_tokens_are_described_and_refused_where_they_have_no_effect(opened: Opened) -> None:
    backend = DiffusionBackend(BackendConfig(str(opened["llada"][0]), 1, {"hold_end": "8"}))
    assert backend.describe()["options"]["hold_end"] == 8
    with pytest.raises(UserError, match="option hold_end has no effect with rule=verified; leave it out"):
        DiffusionBackend(BackendConfig(None, 1, {"hold_end": "8", "rule": "verified"}))
    with pytest.raises(UserError, match="hold_end"):
        DiffusionBackend(BackendConfig(None, 1, {"hold_end": "-1"}))
