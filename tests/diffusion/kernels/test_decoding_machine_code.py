"""The machine code of attention, head, rules and whole steps, compiled for Hopper at the shapes of real networks."""

from dataclasses import replace
from functools import partial

import pytest
import torch

pytest.importorskip("triton", reason="Triton is not available on this system")

from helpers.kernel_gate import binaries, faults

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.kernels import attention, commit, head
from evalharness.diffusion.kernels.fp8 import FP8, Matrix
from evalharness.diffusion.kernels.layout import new_decoding_state
from evalharness.diffusion.kernels.shapes import MODELS
from evalharness.diffusion.kernels.step import new_step_buffers, read_kernel_weights, run_decoding_step
from evalharness.diffusion.network import Transformer

MATRIX = {"matmul_tile", "gate_up_tile", "attend_split", "predict_tile"}


def empty(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def found_faults(launch):
    found = binaries(launch)
    for binary in found:
        if binary.name in MATRIX:
            assert "LDGSTS.E.BYPASS.128" in binary.sass, f"{binary.name}: no asynchronous loads of 16 bytes"
    return [fault for binary in found for fault in faults(binary, binary.name in MATRIX)]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("sequences", "size"), [(1, 64), (8, 1)])
def test_attention(name, sequences, size):
    config = MODELS[name]
    rows, width = sequences * size, config.heads * config.head_dim
    keys = empty(sequences, config.kv_heads, 2048, config.head_dim)
    splits = attention.choose_cache_splits(2048, sequences, config.kv_heads, size, config.heads // config.kv_heads)
    parts = empty(splits, rows, config.heads, config.head_dim, dtype=torch.float32)
    logs = empty(splits, rows, config.heads, dtype=torch.float32)
    numbers = partial(empty, dtype=torch.int32)
    queries = empty(rows, width)
    assert not found_faults(
        lambda: attention.attend(queries, keys, keys, numbers(rows), parts, logs, queries, numbers(1))
    )


@pytest.mark.parametrize("fp8", [False, True], ids=["bf16", "fp8"])
@pytest.mark.parametrize("drawn", [False, True], ids=["likeliest", "drawn"])
@pytest.mark.parametrize(("hidden", "wanted"), [(896, 1), (3584, 32), (4096, 256)])
def test_head(hidden, wanted, drawn, fp8):
    numbers, figures = partial(empty, dtype=torch.int32), partial(empty, dtype=torch.float32)
    weight = Matrix(empty(152064, hidden, dtype=FP8), figures(152064)) if fp8 else Matrix(empty(152064, hidden))
    noise = head.SamplingNoise(0.7, empty(8, dtype=torch.int64), numbers(8)) if drawn else None
    found = head.TokenStatistics(numbers(wanted), figures(wanted), figures(wanted), figures(wanted))
    states, rows = empty(256, hidden), numbers(wanted)
    space = head.allocate_workspace(152064, wanted, "meta")
    assert not found_faults(
        lambda: head.predict_tokens(
            states, weight, rows, rows, numbers(1), numbers(1), space, found, 32, numbers(1), noise
        )
    )


@pytest.mark.parametrize(
    ("rule", "block"),
    [*((rule, 32) for rule in commit.RULES), ("entropy-bounded", 128), ("entropy", 512), ("dynamic", 1024)],
)
def test_rules(rule, block):
    state, figures = new_decoding_state(4, block, 33, 32, 4, "meta"), empty(4 * block, dtype=torch.float32)
    found = head.TokenStatistics(empty(4 * block, dtype=torch.int32), figures, figures, figures)
    policy = commit.CommitPolicy(rule, 0.9, 32, 32, sub_block=8, first_token_alone=True)
    assert not found_faults(lambda: commit.commit_tokens(state, found, policy, True, bidirectional=block > 128))


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "temperature"), [("threshold", 0.0), (None, 0.7)])
def test_whole_steps(rule, temperature):
    """One layer, as all layers have the same kernels; without a rule, the step to the next token."""
    config = replace(MODELS["SDAR-4B"] if rule else MODELS["1.5B"], layers=1)
    with torch.device("meta"):
        weights = read_kernel_weights(Transformer(config).to(torch.bfloat16))
    cache = KVCache(config, 4, 1024, torch.bfloat16, "meta")
    state = new_decoding_state(4, 32, 33, 32, 4, "meta")
    policy = commit.CommitPolicy(rule, 0.9, 32, 32, sub_block=8, first_token_alone=True) if rule else None
    buffers = new_step_buffers(weights, cache, 32 if rule else 1, 32 if rule else 1, (config.mask_id,))
    assert not found_faults(lambda: run_decoding_step(weights, state, buffers, cache, policy, 32, temperature))


def test_a_step_of_a_bidirectional_network():
    config = replace(MODELS["LLaDA-8B"], layers=1)
    with torch.device("meta"):
        weights = read_kernel_weights(Transformer(config).to(torch.bfloat16))
    cache = KVCache(config, 8, 1280, torch.bfloat16, "meta")
    state = new_decoding_state(8, 32, 1280, 32, 4, "meta", max_tokens_after_block=1280)
    buffers = new_step_buffers(weights, cache, 1280, 32, (config.mask_id,))
    policy = commit.CommitPolicy("confidence", steps=32)
    assert not found_faults(lambda: run_decoding_step(weights, state, buffers, cache, policy, 32))
