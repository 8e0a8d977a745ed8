"""Speculative decoding with the kernels, compared with the engine's plain decoding and with PyTorch."""

from dataclasses import replace

import pytest
import torch
from helpers.drafters import tiny_drafter
from helpers.network_backends import ar, build, diffusion, text_request
from helpers.tiny_network import MASK, new_row, tiny_model

from evalharness.diffusion.autoregression import decode_autoregressively
from evalharness.diffusion.checkpoints.folder import load_checkpoint
from evalharness.diffusion.drafting.checkpoint import save_drafter
from evalharness.diffusion.drafting.decoding import draft_and_verify
from evalharness.diffusion.drafting.proposals import DraftingSettings
from evalharness.diffusion.kernels.drafting.engine import SpeculativeEngine
from evalharness.diffusion.kernels.engine import Engine
from evalharness.diffusion.kernels.select import KernelSelection
from evalharness.diffusion.rows import Sampler
from evalharness.records import Sampling

GREEDY = Sampler(banned=(MASK,))
DRAWN = Sampler(temperature=0.8, banned=(MASK,))
PROMPTS = [[5, 9, 30], [12, 33, 4, 4, 21, 12, 33, 4]]


def make_target(seed=0):
    return tiny_model(seed, heads=2, kv_heads=1)


def make_drafter(target, favourite=None, **more):
    """A random drafter, or one that drafts mostly the token `favourite`."""
    drafter = tiny_drafter(target, rank=16, block=3, drafted=39, **more)
    if favourite is not None:
        drafter.previous.weight.fill_(1.0)
        drafter.following.weight[drafter.attached_target.index[favourite]] = 1.0
    return drafter


def new_rows(count=2, limit=4, seeded=False, stops=()):
    return [
        new_row(prompt, limit + 2 * number, stops, seed=number if seeded else None)
        for number, prompt in enumerate(PROMPTS[:count])
    ]


def results(rows):
    return [(row.text, row.output, row.stop_checker.reason) for row in rows]


def settings_of(way, target, **more):
    drafter = None if way == "lookup" else make_drafter(target, carry=way == "drafter")
    return DraftingSettings(drafter, lookup=way != "drafter", max_length=3, **more)


@pytest.mark.parametrize(
    ("way", "sampler"),
    [("lookup", DRAWN), ("drafter", GREEDY), ("drafter", DRAWN), ("hybrid", GREEDY)],
    ids=["lookup, sampled", "drafter", "drafter, sampled", "hybrid"],
)
def test_text_is_that_of_plain_decoding(way, sampler):
    target = make_target(3)
    drafting, plain_engine = settings_of(way, target), Engine(target)
    engine = SpeculativeEngine(plain_engine.weights, drafting.drafter)
    if way == "hybrid":
        drafting = replace(drafting, costs=engine.costs)
    plain, fused = (new_rows(seeded=sampler is DRAWN) for _ in range(2))
    decode_autoregressively(target, plain, sampler, plain_engine)
    draft_and_verify(target, fused, sampler, drafting, engine)
    assert results(fused) == results(plain)
    for row in fused:
        assert [draft.forward_pass for draft in row.drafts] == list(range(row.forward_passes))
        for draft in row.drafts:
            end = len(row.prompt) + draft.position + draft.accepted
            assert list(draft.tokens[: draft.accepted]) == row.text[end - draft.accepted : end]
    if sampler is GREEDY:
        theirs = new_rows()
        draft_and_verify(target, theirs, sampler, drafting)
        assert [(row.drafts, row.steps) for row in fused] == [(row.drafts, row.steps) for row in theirs]


def test_accepted_drafts_of_the_drafter_save_passes_and_a_session_is_reused():
    target = make_target(3)
    drafter = make_drafter(target, favourite=30)
    drafting, engine = DraftingSettings(drafter, max_length=3), SpeculativeEngine(Engine(target).weights, drafter)
    for prompts, limit in ((PROMPTS, 9), (PROMPTS[::-1], 6)):
        plain, fused, theirs = ([new_row(prompt, limit) for prompt in prompts] for _ in range(3))
        decode_autoregressively(target, plain, GREEDY)
        draft_and_verify(target, fused, GREEDY, drafting, engine)
        assert results(fused) == results(plain)
        assert sum(row.forward_passes for row in fused) < sum(row.forward_passes for row in plain) * 0.7
        draft_and_verify(target, theirs, GREEDY, drafting)
        assert [row.drafts for row in fused] == [row.drafts for row in theirs]


def test_a_stop_sequence_that_the_host_finds_ends_the_row():
    target = make_target(5)
    free = new_rows(2, 6)
    decode_autoregressively(target, free, GREEDY)
    stop = free[1].stop_checker.kept_text_and_token_count()[0][2:3]
    drafting = settings_of("drafter", target)
    fused, theirs = (new_rows(2, 6, stops=(stop,)) for _ in range(2))
    draft_and_verify(target, fused, GREEDY, drafting, SpeculativeEngine(Engine(target).weights, drafting.drafter))
    draft_and_verify(target, theirs, GREEDY, drafting)
    assert [row.stop_checker.kept_text_and_token_count() for row in fused] == [
        row.stop_checker.kept_text_and_token_count() for row in theirs
    ]
    assert [row.drafts for row in fused] == [row.drafts for row in theirs]
    assert len(fused[1].output) < len(free[1].output)


def test_typical_acceptance_equals_that_of_pytorch():
    target = make_target(6)
    drafting = settings_of("hybrid", target, threshold=0.01)
    fused, theirs = new_rows(), new_rows()
    draft_and_verify(target, fused, GREEDY, drafting, SpeculativeEngine(Engine(target).weights, drafting.drafter))
    draft_and_verify(target, theirs, GREEDY, drafting)
    assert results(fused) == results(theirs)
    assert [row.drafts for row in fused] == [row.drafts for row in theirs]
    accepted = [
        draft.tokens[number] != token
        for row in fused
        for draft in row.drafts
        for number, token in enumerate(plain_choices(target, row, draft)[: draft.accepted])
    ]
    assert any(accepted), "no token but the target's own choices was accepted"


def plain_choices(target, row, draft):
    """The target's own choices after the text before a draft, and after each of its tokens."""
    text = row.prompt + row.text[len(row.prompt) : len(row.prompt) + draft.position]
    choices = []
    for token in draft.tokens:
        tokens = torch.tensor([text])
        mask = torch.ones(len(text), len(text), dtype=torch.bool).tril()[None, None]
        hidden = target(tokens, torch.arange(len(text))[None], mask)
        choices.append(int(GREEDY.suppress_banned_tokens(target.logits(hidden[0, -1:])).argmax()))
        text = [*text, token]
    return choices


@pytest.mark.parametrize(("kind", "options"), [(ar, {"draft": "lookup"}), (diffusion, {})], ids=["ar", "diffusion"])
def test_backends_use_the_engine_and_answer_as_on_torch(kind, options, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    packable = "diffusion.drafting.packing.is_packable_linear_layer"
    for check in ("backends.network.loading.can_pack_linear_layers", packable):
        # Packed matrices, which only a CPU has, cannot be read by kernels.
        monkeypatch.setattr(f"evalharness.{check}", lambda _: False)
    folder = build(tmp_path / "model")
    target = load_checkpoint(folder)
    save_drafter(make_drafter(target), tmp_path / "drafter", quantized=False)
    if kind is diffusion:
        options = {"drafter": str(tmp_path / "drafter"), "rule": "verified", "block": "3"}
    request, sampling = text_request("def f(a):\n"), Sampling(max_new_tokens=4)
    texts = []
    for fused in (False, True):
        backend = kind(folder, device="cpu", **options)
        network = backend._load_network()
        if fused:
            backend._network = replace(
                network, engine=Engine(network.model), kernels=KernelSelection("fused", "a test")
            )
        (completion,) = backend.generate([request], sampling)
        texts.append(completion.text)
        assert completion.drafts is not None
        assert (backend._speculative_engine is not None) == fused
    assert texts[0] == texts[1]


def test_top_p_is_decoded_by_pytorch():
    target = make_target(6)
    engine, nucleus = SpeculativeEngine(Engine(target).weights), Sampler(0.8, 0.9, (MASK,))
    assert engine.supports(GREEDY)
    assert engine.supports(DRAWN)
    assert not engine.supports(nucleus)
    fused, theirs = (new_rows(1, 4, seeded=True) for _ in range(2))
    for rows, chosen in ((fused, engine), (theirs, None)):
        draft_and_verify(target, rows, nucleus, DraftingSettings(lookup=True), chosen)
    assert results(fused) == results(theirs)
