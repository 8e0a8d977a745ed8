"""Rows that join and leave a batch at any time, each with its own decoding, against each decoded alone."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
from helpers.drafters import tiny_drafter
from helpers.tiny_network import END, MASK, new_row, tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.diffusion.autoregression import decode_autoregressively, decode_self_speculatively
from evalharness.diffusion.decoding import denoise
from evalharness.diffusion.denoising import DenoisingSettings
from evalharness.diffusion.drafting.decoding import draft_and_verify
from evalharness.diffusion.drafting.proposals import DraftingSettings
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, Sampler
from evalharness.diffusion.rules import find_rule
from evalharness.diffusion.serving.batch import ContinuousBatch
from evalharness.diffusion.serving.decoder import Decoder, DecodingFrame
from evalharness.diffusion.serving.denoiser import DenoisingDecoder
from evalharness.diffusion.serving.self_drafting import SelfSpeculativeDecoder
from evalharness.diffusion.serving.tokens import AutoregressiveDecoder
from evalharness.diffusion.serving.verification import SpeculativeDecoder

SAMPLERS = [Sampler(banned=(MASK,)), Sampler(0.8, 0.9, (MASK,)), Sampler(1.3, 1.0, (MASK,))]
Ways = list[tuple[Callable[[Row], object], Callable[[Row], Decoder]]]


def denoising(rule: str, block: int, sampler: Sampler, **more: bool) -> DenoisingSettings:
    return DenoisingSettings(find_rule(rule, threshold=0.3, steps=3, block_length=block), block, sampler, **more)


def diffusion_ways(model: Transformer, sampler: Sampler, **more: bool) -> Ways:
    """How to denoise a row alone, and how in a batch, for several rules and block lengths."""
    ways: Ways = []
    for rule, block in (("threshold", 8), ("confidence", 4), ("editing", 8), ("entropy", 5)):
        how = denoising(rule, block, sampler, **more)
        ways.append(
            (
                lambda row, how=how: denoise(model, [row], how),  # type: ignore[misc]
                lambda row, how=how: DenoisingDecoder(row, how, model.config, traced=bool(row.generator)),  # type: ignore[misc]
            )
        )
    return ways


def causal_ways(model: Transformer, sampler: Sampler) -> Ways:
    lookup = DraftingSettings(lookup=True, max_length=3)
    hybrid = DraftingSettings(tiny_drafter(model), lookup=True, max_length=4)
    return [
        (
            lambda row: decode_autoregressively(model, [row], sampler),
            lambda row: AutoregressiveDecoder(row, sampler, True),
        ),
        (
            lambda row: decode_self_speculatively(model, [row], 5, sampler),
            lambda row: SelfSpeculativeDecoder(row, 5, sampler),
        ),
        (
            lambda row: decode_self_speculatively(model, [row], 1, sampler),
            lambda row: SelfSpeculativeDecoder(row, 1, sampler, True),
        ),
        (
            lambda row: draft_and_verify(model, [row], sampler, lookup),
            lambda row: SpeculativeDecoder(row, lookup, sampler),
        ),
        (
            lambda row: draft_and_verify(model, [row], sampler, hybrid),
            lambda row: SpeculativeDecoder(row, hybrid, sampler, True),
        ),
        *diffusion_ways(model, sampler),
    ]


@dataclass
class Run:
    """A row that is decoded in the batch, and the same decoded alone."""

    decoder: Decoder
    alone: Row
    joins_at: int
    frames: list[DecodingFrame] = field(default_factory=list)


def run_together(model: Transformer, ways: Callable[[Sampler], Ways], seed: int, rows: int = 9) -> list[Run]:
    """Rows with random prompts, limits and settings that join at random passes; some leave before their end."""
    rng = random.Random(seed)
    batch = ContinuousBatch(model, taps=(0, 1) if model.config.attention == "causal" else (), prefill_tokens=16)
    runs = []
    for number in range(rows):
        prompt = [rng.randrange(3, 40) for _ in range(rng.choice([1, 2, 7, 16, 17, 40]))]
        limit, sampler = rng.randrange(1, 30), rng.choice(SAMPLERS)
        alone_way, together_way = rng.choice(ways(sampler))
        canvas = -(-limit // 40) * 40 if model.config.attention == "bidirectional" else 0
        alone, shared = (new_row(prompt, limit, seed=number, canvas=canvas) for _ in range(2))
        alone_way(alone)
        runs.append(Run(together_way(shared), alone, rng.randrange(12)))
    leavers = {id(run) for run in rng.sample(runs, 2)}
    for step in range(400):
        for run in runs:
            if run.joins_at == step:
                batch.add(run.decoder)
            if id(run) in leavers and run.joins_at + 3 == step:
                batch.remove(run.decoder)
        for decoder in batch.step():
            run = next(run for run in runs if run.decoder is decoder)
            run.frames += decoder.frames
            decoder.frames.clear()
        if step > 12 and not batch.size:
            break
    assert not batch.size
    assert batch._cache is None or batch._cache.row_count == 0
    return [run for run in runs if id(run) not in leavers]


def assert_equal(runs: list[Run]) -> None:
    for run in runs:
        row, alone = run.decoder.row, run.alone
        assert row.output == alone.output
        assert row.stop_checker.reason == alone.stop_checker.reason
        assert row.steps == alone.steps
        assert row.forward_passes == alone.forward_passes
        assert row.ended_s is not None
        if run.decoder.traced:
            assert replay(run.frames, len(row.output)) == row.output


def replay(frames: list[DecodingFrame], size: int) -> list[int]:
    """The first `size` output tokens that the frames describe."""
    tokens: dict[int, int] = {}
    for frame in frames:
        tokens |= dict(zip(frame.positions, frame.tokens, strict=True))
        assert all(frame.start <= position < frame.end for position in frame.positions)
        assert all(0 < confidence <= 1.0001 for confidence in frame.confidences)
    return [tokens[position] for position in range(size)]


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_every_row_equals_itself_alone(seed: int) -> None:
    model = tiny_model(seed % 4)
    assert_equal(run_together(model, lambda sampler: causal_ways(model, sampler), seed))


@pytest.mark.parametrize("attention", ["block_causal", "bidirectional"])
@pytest.mark.parametrize("seed", range(4))
def test_other_attention_too(attention: str, seed: int) -> None:
    model = tiny_model(seed, attention=attention, shift=seed % 2 == 1)

    def ways(sampler: Sampler) -> Ways:
        how = denoising("threshold", 8, sampler, aligned=attention == "block_causal")
        return [(lambda row: denoise(model, [row], how), lambda row: DenoisingDecoder(row, how, model.config, True))]

    assert_equal(run_together(model, ways, seed))


def test_rows_with_equal_settings_share_their_group() -> None:
    model = tiny_model()
    first, second = (
        DenoisingDecoder(new_row([5], 8), denoising("threshold", 8, SAMPLERS[0]), model.config) for _ in range(2)
    )
    other = DenoisingDecoder(new_row([5], 8), denoising("threshold", 4, SAMPLERS[0]), model.config)
    assert first.batch_key == second.batch_key != other.batch_key


def test_rejected_drafts_are_in_the_frames() -> None:
    model = tiny_model(1)
    decoder = SelfSpeculativeDecoder(new_row([5, 9, 30], 20), 6, SAMPLERS[0], traced=True)
    batch = ContinuousBatch(model)
    batch.add(decoder)
    while batch.size:
        batch.step()
    frames = decoder.frames
    drafts = decoder.row.drafts or []
    assert [frame.rejected for frame in frames[1::2]] == [draft.tokens[draft.accepted :] for draft in drafts]
    assert [frame.forward_pass for frame in frames] == list(range(1, decoder.row.forward_passes + 1))
    assert all(frame.drafted for frame in frames[::2])


def test_an_empty_batch_keeps_no_memory() -> None:
    model = tiny_model()
    batch = ContinuousBatch(model)
    for _ in range(3):
        batch.add(AutoregressiveDecoder(new_row([7] * 200, 10), SAMPLERS[0]))
    while batch.size:
        batch.step()
    assert batch._cache is not None
    assert batch._cache._key_storage.numel() == 0


def test_long_prompts_do_not_stop_running_rows() -> None:
    model = tiny_model()
    model.embed.weight[END] = -10
    batch, short = (
        ContinuousBatch(model, prefill_tokens=16),
        AutoregressiveDecoder(new_row([5, 6], 30), Sampler(banned=(MASK, END))),
    )
    batch.add(short)
    batch.step()
    batch.add(AutoregressiveDecoder(new_row([7] * 160, 5), SAMPLERS[0]))
    before = len(short.row.output)
    for _ in range(8):
        batch.step()
    assert len(short.row.output) == before + 8
    assert torch.is_inference_mode_enabled() is False
