"""The machine code of speculative decoding, compiled for Hopper at the shapes of real networks."""

from dataclasses import replace

import pytest
import torch

pytest.importorskip("triton", reason="Triton is not available on this system")

from helpers.kernel_gate import binaries, faults

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.drafting.config import DrafterConfig
from evalharness.diffusion.drafting.network import Drafter
from evalharness.diffusion.kernels.drafting.drafter import draft_tokens, new_drafter_buffers, read_drafter_weights
from evalharness.diffusion.kernels.drafting.passes import DrafterTensors, verify_drafts
from evalharness.diffusion.kernels.drafting.state import new_speculation_state
from evalharness.diffusion.kernels.shapes import MODELS
from evalharness.diffusion.kernels.step import new_step_buffers, read_kernel_weights
from evalharness.diffusion.network import Transformer

MATRIX = {"matmul_tile", "gate_up_tile", "attend_split", "predict_tile"}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "sequences", "block"), [("0.5B", 1, 5), ("7B", 8, 15)])
def test_a_cycle_of_drafting_and_verification(name, sequences, block):
    """One layer each, as all layers have the same kernels; sampled, with a threshold, for all that kernels do."""
    config = replace(MODELS[name], layers=1)
    own = replace(config, vocab_size=8192, qk_norm=True, qkv_bias=False, tied=False, intermediate=2432)
    with torch.device("meta"):
        target = Transformer(config).to(torch.bfloat16)
        drafter = Drafter(DrafterConfig(own, (0,) * 3, block=block, rank=128, carry=True)).to(torch.bfloat16)
        drafter.attach_target(target)
        weights = read_kernel_weights(target)
    cache, context = KVCache(config, sequences, 1024, torch.bfloat16, "meta"), drafter.new_cache(sequences, 1024)
    state = new_speculation_state(sequences, block, 8, 4, "meta")
    buffers = new_step_buffers(weights, cache, block + 1, block + 1, (config.mask_id,))
    drafter_weights = read_drafter_weights(drafter)
    drafting = DrafterTensors(drafter_weights, new_drafter_buffers(drafter_weights, context, block + 1, 2), context)

    def cycle() -> None:
        draft_tokens(drafting.weights, drafting.buffers, drafting.cache, state, 0.7)
        verify_drafts(weights, state, buffers, cache, drafting, 0.7, acceptance_threshold=0.5)

    assert not [fault for binary in binaries(cycle) for fault in faults(binary, binary.name in MATRIX)]
