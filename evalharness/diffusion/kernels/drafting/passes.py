"""The target's verifying forward pass as a sequence of kernels over preallocated buffers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.drafting.network import DrafterCache
from evalharness.diffusion.kernels import head
from evalharness.diffusion.kernels.drafting.drafter import (
    DrafterBuffers,
    DrafterWeights,
    extend_drafter_context,
    record_tapped_states,
)
from evalharness.diffusion.kernels.drafting.state import SpeculationState
from evalharness.diffusion.kernels.drafting.verification import accept_drafts, write_verification_input
from evalharness.diffusion.kernels.step import KernelWeights, StepBuffers, forward


@dataclass(frozen=True)
class DrafterTensors:
    """A drafter's weights, buffers and KV cache on the device, for the sequences of a batch."""

    weights: DrafterWeights
    buffers: DrafterBuffers
    cache: DrafterCache


def verify_drafts(
    weights: KernelWeights, state: SpeculationState, buffers: StepBuffers, cache: KVCache,
    drafter: DrafterTensors | None, temperature: float = 0.0, acceptance_threshold: float = 1.0,
) -> None:  # fmt: skip
    """Runs one verifying pass of the target, and appends the accepted tokens to all sequences, on the device.

    The pass also adds its tokens to the context of the `drafter`, if there is one. At a `temperature` above 0, the
    target samples each token with the random number of its position. `acceptance_threshold`: see `accept_drafts`.
    """
    live, step_input = state.live, buffers.step_input
    write_verification_input(state, step_input)
    after_layer: Callable[[int], None] | None = None
    if drafter is not None:
        after_layer = partial(_record_tapped_states, drafter, buffers, state)
    forward(weights, buffers, cache, live, after_layer)
    head.predict_tokens(
        buffers.normed, weights.head, step_input.rows, step_input.block_positions, step_input.count, buffers.banned,
        buffers.work, buffers.statistics, state.drafts.shape[1] + 1, live,
        head.SamplingNoise(temperature, state.seeds, state.offsets) if temperature else None,
        compared_tokens=step_input.tokens if acceptance_threshold < 1 else None,
    )  # fmt: skip
    if drafter is not None:
        # Before the acceptance, after which the sequences may be done and kernels compute nothing.
        extend_drafter_context(drafter.weights, drafter.buffers, drafter.cache, step_input.positions, live)
    accept_drafts(state, buffers.statistics, acceptance_threshold)


def _record_tapped_states(drafter: DrafterTensors, buffers: StepBuffers, state: SpeculationState, layer: int) -> None:
    """Stores the target's hidden states after layer number `layer` for the drafter, if it uses this layer (`taps`)."""
    record_tapped_states(drafter.weights, drafter.buffers, layer, buffers.residual, state.live)
