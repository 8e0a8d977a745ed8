"""A speculative decoding engine on fused kernels: CUDA graphs draft, verify and accept; the host reads the results.

With a drafter alone, the sequences advance for several passes without the host. Prompt lookup drafts on the host, so
that it reads the results of each pass; a drafter's pass and the verifying pass are still one graph.

The text is that of the engine's autoregressive decoding, up to the rounding of sums: the random numbers of sampled
tokens are the same. A pass has a fixed size, so that drafts have the longest length that fits into it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.drafting.costs import ForwardPassCosts
from evalharness.diffusion.drafting.decoding import append_verified_tokens
from evalharness.diffusion.drafting.network import Drafter
from evalharness.diffusion.drafting.proposals import Draft, DraftingSettings, DraftSourceSelector
from evalharness.diffusion.kernels.drafting.drafter import draft_tokens, new_drafter_buffers, read_drafter_weights
from evalharness.diffusion.kernels.drafting.passes import DrafterTensors, verify_drafts
from evalharness.diffusion.kernels.drafting.state import SpeculationState, new_speculation_state
from evalharness.diffusion.kernels.engine import (
    CAPACITY_STEP,
    END_TOKENS,
    KERNELS_PER_LAYER,
    HostStateArrays,
    write_end_tokens,
    write_random_state,
)
from evalharness.diffusion.kernels.graphs import capture_steps, run_until_done, steps_per_graph, use_device
from evalharness.diffusion.kernels.kernel_options import UnsupportedSetting, find_unsupported_top_p
from evalharness.diffusion.kernels.launch import ceil_div
from evalharness.diffusion.kernels.step import KernelWeights, new_step_buffers
from evalharness.diffusion.rows import Row, Sampler, record_output_times

PASSES_PER_ROUND = 8
"""Verifying passes that run before the host reads the tokens, if a drafter alone drafts."""
ROWS_PER_PASS = 256
"""Rows (tokens) of a verifying pass up to which its time is that of reading the weights, on an H100 or H200.

A weight of two bytes takes part in two operations per row, and these GPUs compute 200 to 300 operations per byte.
"""


class VerificationResult(NamedTuple):
    """A verified draft, and how many of its tokens were accepted."""

    draft: Draft
    accepted_tokens: int


@dataclass(frozen=True)
class SpeculationSession:
    """Device state, KV caches and CUDA graphs, which batches of the same size and settings reuse."""

    state: SpeculationState
    host: SpeculationState
    host_arrays: HostStateArrays
    """The fields of `host` as NumPy arrays of the same memory, which are faster to write."""
    cache: KVCache
    drafter: DrafterTensors | None
    verify: Callable[[], None]
    """Runs a verifying pass over the drafts that the host has written."""
    draft_and_verify: Callable[[], None]
    """Runs the drafter before; without a drafter the same as `verify`."""

    def run(self, stop_after_one_pass: bool) -> None:
        """Copies the host's state to the device, runs one round of verifying passes there, and copies the state back.

        A round ends when each sequence is done. With `stop_after_one_pass`, it ends after one pass.
        """
        arrays = self.host_arrays
        arrays["live"][0] = (arrays["done"] == 0).sum()
        drafts = bool(((arrays["done"] == 0) & (arrays["uses_drafter"] != 0)).any())
        advance = self.draft_and_verify if drafts else self.verify
        with use_device(self.state.live.device):
            self.state.flat.copy_(self.host.flat)
            if stop_after_one_pass:
                advance()
            else:
                run_until_done(advance, self.state.live)
            self.host.flat.copy_(self.state.flat)


class SpeculativeEngine:
    """Speculative decoding with the fused kernels, for one target and its drafter, or with prompt lookup alone.

    `select.select_kernels` and `select.find_unsupported_drafter_feature` decide whether the kernels support target and
    drafter.
    """

    def __init__(self, weights: KernelWeights, drafter: Drafter | None = None) -> None:
        """`weights` are those of the target, from `step.read_kernel_weights`."""
        self._weights, self._drafter = weights, drafter
        self._drafter_weights = None if drafter is None else read_drafter_weights(drafter)
        self._key: tuple[Any, ...] = ()
        self._session: SpeculationSession | None = None

    @property
    def costs(self) -> ForwardPassCosts:
        """The cost of a drafter pass relative to a target pass, which costs 1: the ratio of the bytes that they read.

        A target pass costs the same for drafts of any length, because it has a fixed size.
        """
        drafter = self._drafter_weights
        share = drafter.bytes_per_pass / self._weights.bytes_per_pass if drafter else 0.0
        return ForwardPassCosts((1, 1 << 30), (1.0, 1.0), share)

    def supports(self, sampler: Sampler) -> bool:
        """Returns whether the kernels can decode with this sampler; they sample without top_p."""
        return self.find_unsupported_setting(sampler) is None

    def find_unsupported_setting(self, sampler: Sampler) -> UnsupportedSetting | None:
        """Returns the sampler's setting with which the kernels cannot decode; None if they support the sampler."""
        return find_unsupported_top_p(sampler.temperature, sampler.top_p)

    def allocate_cache(self, rows: Sequence[Row], sampler: Sampler, drafting: DraftingSettings) -> KVCache:
        """Returns a KV cache for these rows (the sequences of a batch), which the caller must prefill.

        The next call of `draft_and_verify` must be for the same rows.
        """
        assert drafting.drafter is self._drafter
        drafting = limit_draft_length(drafting, len(rows))
        size = max(len(row.prompt) + row.stop_checker.limit for row in rows) + drafting.max_length + 1
        if self._drafter_weights is not None:
            size += self._drafter_weights.block_length
        capacity = ceil_div(size, CAPACITY_STEP) * CAPACITY_STEP
        key = (len(rows), sampler, drafting.max_length, drafting.threshold)
        if self._session is None or key != self._key or self._session.cache.capacity < capacity:
            self._session = None
            with use_device(self._weights.embed.device):
                self._session, self._key = self._open_session(len(rows), capacity, sampler, drafting), key
        return self._session.cache

    def draft_and_verify(
        self, rows: Sequence[Row], drafting: DraftingSettings, target_states: Tensor | None, start_time: float
    ) -> None:
        """Decodes the rows by speculative decoding until each has ended; appends the tokens to the rows.

        The KV cache of `allocate_cache` must hold all tokens of each row except the last. `target_states`
        [rows, T, taps * hidden] are the target's hidden states of these tokens, which the drafter needs; None if there
        are none. Times of the rows are counted from `start_time`, a `time.perf_counter()`.
        """
        session, drafting = self._session, limit_draft_length(drafting, len(rows))
        assert session is not None
        host, drafter = session.host_arrays, drafting.drafter
        if drafter is not None and session.drafter is not None and target_states is not None:
            drafter.extend_context(target_states, [0] * len(rows), session.drafter.cache)
        sources = DraftSourceSelector(drafting, rows)
        write_end_tokens(host, rows)
        running, first = list(enumerate(rows)), True
        while running:
            host["done"][:] = 1
            # The host reads the first pass alone, so that the time to first token is measured.
            passes = 1 if first or drafting.lookup or drafter is None else PASSES_PER_ROUND
            drafts, drafter_rows = sources.choose_sources([row for _, row in running])
            for number in drafter_rows:
                drafts[number] = Draft([], "drafter")
            for (sequence, row), draft in zip(running, drafts, strict=True):
                _write_sequence_state(host, sequence, row, draft, passes)
            session.run(stop_after_one_pass=passes == 1)
            for number, ((sequence, row), draft) in enumerate(zip(running, drafts, strict=True)):
                before = len(row.text)
                for verified, accepted in _append_device_tokens(host, sequence, row, draft.tracker_name):
                    sources.record_draft(verified, accepted)
                sources.append_to_lookup_text(number, row.text[before:])
            record_output_times((row for _, row in running), start_time)
            kept = [number for number, (_, row) in enumerate(running) if not row.ended]
            sources.keep_rows(kept)
            running, first = [running[number] for number in kept], False

    def _open_session(
        self, sequence_count: int, capacity: int, sampler: Sampler, drafting: DraftingSettings
    ) -> SpeculationSession:
        """Returns a new session with captured CUDA graphs."""
        weights, longest = self._weights, drafting.max_length
        device = weights.embed.device
        cache = KVCache(weights.config, sequence_count, capacity, weights.embed.dtype, device)
        state, host = (
            new_speculation_state(sequence_count, longest, PASSES_PER_ROUND, END_TOKENS, target)
            for target in (device, torch.device("cpu"))
        )
        drafter = None
        if drafting.drafter is not None and self._drafter_weights is not None:
            own_cache = drafting.drafter.new_cache(sequence_count, capacity)
            depths = min(longest, self._drafter_weights.block_length)
            buffers = new_drafter_buffers(self._drafter_weights, own_cache, longest + 1, depths)
            drafter = DrafterTensors(self._drafter_weights, buffers, own_cache)
        target_buffers = new_step_buffers(weights, cache, longest + 1, longest + 1, sampler.banned)
        verify = partial(
            verify_drafts, weights, state, target_buffers, cache, drafter, sampler.temperature, drafting.threshold
        )

        def draft_and_verify() -> None:
            assert drafter is not None
            draft_tokens(drafter.weights, drafter.buffers, drafter.cache, state, sampler.temperature)
            verify()

        verify_graph = capture_steps(verify, 1, state.live)
        draft_graph = verify_graph
        if drafter is not None:
            layers = weights.config.layers + drafter.weights.network.config.layers
            count = 1 if drafting.lookup else steps_per_graph(KERNELS_PER_LAYER * layers)
            draft_graph = capture_steps(draft_and_verify, count, state.live)
        host_arrays = {name: field.numpy() for name, field in vars(host).items()}
        return SpeculationSession(state, host, host_arrays, cache, drafter, verify_graph, draft_graph)


def limit_draft_length(drafting: DraftingSettings, sequence_count: int) -> DraftingSettings:
    """Returns the settings with `max_length` reduced, if needed, to limit the number of tokens of a verifying pass.

    A pass over `sequence_count` sequences has at most `ROWS_PER_PASS` tokens, unless drafts of one token exceed that.
    """
    return replace(drafting, max_length=min(drafting.max_length, max(1, ROWS_PER_PASS // sequence_count - 1)))


def _write_sequence_state(host_state: HostStateArrays, sequence: int, row: Row, draft: Draft, max_passes: int) -> None:
    """Writes a row and its draft to the host's copy of the device state, for a round of at most `max_passes` passes.

    If the drafter drafts, which happens on the device, the `draft` has no tokens yet.
    """
    host_state["last"][sequence], host_state["cached"][sequence] = row.text[-1], row.cached
    host_state["drafts"][sequence, : len(draft.tokens)] = draft.tokens
    host_state["draft_length"][sequence] = len(draft.tokens)
    host_state["uses_drafter"][sequence], host_state["pass_limit"][sequence] = draft.source == "drafter", max_passes
    host_state["limit"][sequence] = row.stop_checker.limit - len(row.output)
    host_state["output_length"][sequence] = host_state["passes"][sequence] = host_state["done"][sequence] = 0
    write_random_state(host_state, sequence, row, len(row.text) - len(row.prompt))


def _append_device_tokens(
    host_state: HostStateArrays, sequence: int, row: Row, tracker_name: str
) -> list[VerificationResult]:
    """Appends the tokens that the device generated in a round to a row; returns the round's verified drafts.

    A round is the passes that the device runs without the host. `tracker_name` is that of the round's drafts (see
    `Draft`).
    """
    outputs, written = host_state["outputs"][sequence].tolist(), 0
    results: list[VerificationResult] = []
    for number in range(int(host_state["passes"][sequence])):
        if row.ended:
            # The host found the end, such as a stop sequence, after the device had gone on.
            row.forward_passes += 1
            continue
        count = int(host_state["accepted"][sequence, number])
        length = int(host_state["verified_lengths"][sequence, number])
        draft = Draft(
            host_state["verified_drafts"][sequence, number, :length].tolist(), tracker_name if length else "none"
        )
        accepted = append_verified_tokens(row, draft, outputs[written : written + count + 1])
        results.append(VerificationResult(draft, accepted))
        written += count + 1
    return results
