"""A decoding engine on fused kernels: the host opens blocks, CUDA graphs denoise them.

Tokens, forward passes and confidences equal those of the PyTorch implementation, up to the rounding of sums. Two things
differ. The sequences of a batch open their blocks together, so that one with a finished block waits for the others.
Sampled tokens have the same distribution and use the same seeds, but other random numbers: Gumbel noise on each logit.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy.typing as npt
import torch

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.denoising import BlockState, DenoisingSettings
from evalharness.diffusion.kernels.commit import RULES, CommitPolicy, make_commit_policy
from evalharness.diffusion.kernels.graphs import capture_steps, run_until_done, steps_per_graph, use_device
from evalharness.diffusion.kernels.kernel_options import Precision, UnsupportedSetting, find_unsupported_top_p
from evalharness.diffusion.kernels.launch import ceil_div
from evalharness.diffusion.kernels.layout import DecodingState, new_decoding_state
from evalharness.diffusion.kernels.step import KernelWeights, new_step_buffers, read_kernel_weights, run_decoding_step
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, Sampler, record_output_times

CAPACITY_STEP = 256
"""The KV cache's capacity is a multiple of this, so that batches of similar lengths share one."""
CANVAS_STEP = 64
"""The same for bidirectional networks, which compute every slot in every pass."""
LONGEST_BLOCK = 1024
"""Most tokens of a block; a single program sorts them by their scores."""
TOKENS_PER_ROUND = 16
"""Tokens that autoregressive decoding generates before the host reads them."""
KERNELS_PER_LAYER = 9
END_TOKENS = 4
"""Most end tokens that the device checks; the host checks all."""

HostStateArrays = Mapping[str, npt.NDArray[Any]]
"""The host's copy of the device state: for each field of the state, a NumPy array of the field's memory."""


@dataclass(frozen=True)
class DecodingSession:
    """Device state, KV cache and CUDA graphs, which batches of the same size and decoding settings reuse."""

    state: DecodingState
    host: DecodingState
    host_arrays: HostStateArrays
    """The fields of `host` as NumPy arrays of the same memory, which are faster to write."""
    cache: KVCache
    first_pass: Callable[[], None]
    """Runs a forward pass that also stores the keys and values of each sequence's previous block in the cache."""
    later_passes: Callable[[], None]

    def run(self, cache_previous_blocks: bool) -> None:
        """Copies the host's state to the device, decodes there until each sequence is done, and copies the state back.

        A sequence is done when it waits for the host, which reads a finished block or new tokens.
        `cache_previous_blocks` says whether the first pass must also store the keys and values of the previous blocks.
        """
        self.host_arrays["live"][0] = (self.host_arrays["done"] == 0).sum()
        with use_device(self.state.live.device):
            self.state.flat.copy_(self.host.flat)
            run_until_done(self.later_passes, self.state.live, self.first_pass if cache_previous_blocks else None)
            self.host.flat.copy_(self.state.flat)


class Engine:
    """Decodes one network with the fused kernels; `select.select_kernels` decides whether they support the network."""

    def __init__(self, model: Transformer, precision: Precision | None = None) -> None:
        """Prepares the network's weights in the given `precision`; prefill still uses the weights of `model`."""
        self.weights: KernelWeights = read_kernel_weights(model, precision)
        self._whole = model.config.attention == "bidirectional"
        self._key: tuple[Any, ...] = ()
        self._session: DecodingSession | None = None

    def supports(self, sampler: Sampler, denoising: DenoisingSettings | None = None) -> bool:
        """Returns whether the kernels can decode with these settings.

        `denoising` are the settings of block diffusion; None stands for autoregressive decoding.
        """
        return self.find_unsupported_setting(sampler, denoising) is None

    def find_unsupported_setting(
        self, sampler: Sampler, denoising: DenoisingSettings | None = None
    ) -> UnsupportedSetting | None:
        """Returns a setting with which the kernels cannot decode; None if they support these settings.

        The kernels sample from the whole vocabulary, without top_p, and commit each position only once. Their decoding
        rules see the network's own probabilities, before temperature.
        """
        if denoising is not None:
            rule, sampled = denoising.rule.name, sampler.temperature > 0
            if rule not in RULES:
                return UnsupportedSetting(f"rule={rule}", "use another rule")
            if denoising.block > LONGEST_BLOCK:
                return UnsupportedSetting(
                    f"blocks of {denoising.block} tokens", f"use option block={LONGEST_BLOCK} or less"
                )
            if denoising.hold_end:
                return UnsupportedSetting(f"hold_end={denoising.hold_end}", "leave option hold_end out")
            if sampled and rule == "margin":
                return UnsupportedSetting("sampling with rule=margin", "use --temperature 0 or another rule")
            if sampled and denoising.rule_sees_temperature:
                return UnsupportedSetting(
                    "sampling with this model, whose decoding rule takes probabilities after temperature",
                    "use --temperature 0",
                )
        return find_unsupported_top_p(sampler.temperature, sampler.top_p)

    def allocate_cache(
        self, rows: Sequence[Row], sampler: Sampler, denoising: DenoisingSettings | None = None
    ) -> KVCache:
        """Returns a KV cache for these rows (the sequences of a batch), which the caller must prefill.

        The next call of `denoise` or `decode_autoregressively` must be for the same rows.
        """
        block = denoising.block if denoising else 0
        if self._whole:
            size = max(len(row.prompt) + row.canvas + len(row.suffix) for row in rows)
            capacity = ceil_div(size, CANVAS_STEP) * CANVAS_STEP
        else:
            size = max(len(row.prompt) + row.stop_checker.limit for row in rows) + 4 * (block + 1)
            capacity = ceil_div(size, CAPACITY_STEP) * CAPACITY_STEP
        policy = make_commit_policy(denoising) if denoising else None
        key = (len(rows), block, sampler, policy, capacity if self._whole else 0)
        if self._session is None or key != self._key or self._session.cache.capacity < capacity:
            self._session = None
            with use_device(self.weights.embed.device):
                self._session, self._key = self._open_session(len(rows), capacity, block, sampler, policy), key
        return self._session.cache

    def denoise(self, blocks: Iterable[BlockState], denoising: DenoisingSettings, start_time: float) -> None:
        """Decodes the rows of the given blocks by block diffusion until each row has ended.

        Each block is its row's first one, and nothing has been written to it yet. The KV cache of `allocate_cache` must
        hold the text before the blocks. Times of the rows are counted from `start_time`, a `time.perf_counter()`.
        """
        session, config, policy = self._get_open_session(), self.weights.config, make_commit_policy(denoising)
        running, host = dict(enumerate(blocks)), session.host_arrays
        write_end_tokens(host, [block.row for block in running.values()])
        while running:
            host["done"][:] = 1
            for sequence, block in running.items():
                _write_block_state(host, sequence, block, policy, config.mask_id if self._whole else None)
            session.run(cache_previous_blocks=not self._whole and bool((host["context_length"] > config.shift).any()))
            tokens, committed_at, confidence, steps = (
                host[name].tolist() for name in ("tokens", "committed_at", "confidence", "step")
            )
            advanced: list[Row] = []
            for sequence, block in list(running.items()):
                block.row.cached = max(0, len(block.row.text) - config.shift)
                initially_masked = list(block.masked)
                still_masked = host["masked"][sequence].tolist()
                for number in range(steps[sequence]):
                    if block.row.ended:
                        block.row.forward_passes += 1
                        continue
                    chosen = [
                        was_masked and not still_masked[position] and committed_at[sequence][position] == number
                        for position, was_masked in enumerate(initially_masked)
                    ]
                    block.commit_and_check_finished(tokens[sequence], chosen, confidence[sequence], denoising.rule)
                if block.row.ended:
                    del running[sequence]
                else:
                    block.start_next_block(denoising, config)
                advanced.append(block.row)
            record_output_times(advanced, start_time)

    def decode_autoregressively(
        self, rows: Sequence[Row], append_token: Callable[[Row, int], None], start_time: float
    ) -> None:
        """Decodes the rows autoregressively until each has ended.

        The KV cache of `allocate_cache` must hold all tokens of each row except the last. `append_token(row, token)` is
        called for each new token. Times of the rows are counted from `start_time`, a `time.perf_counter()`.
        """
        session = self._get_open_session()
        host = session.host_arrays
        running = dict(enumerate(rows))
        write_end_tokens(host, rows)
        first = True
        while running:
            host["done"][:] = 1
            for sequence, row in running.items():
                remaining = row.stop_checker.limit - len(row.stop_checker.tokens)
                # The host reads the first token alone, so that the time to first token is measured.
                host["limit"][sequence] = 1 if first else min(TOKENS_PER_ROUND, remaining)
                host["context"][sequence, 0], host["context_length"][sequence] = row.text[-1], 1
                host["cached"][sequence] = row.cached
                write_random_state(host, sequence, row, len(row.text) - len(row.prompt))
                host["done"][sequence] = host["step"][sequence] = host["length"][sequence] = 0
            session.run(cache_previous_blocks=False)
            tokens, steps = host["tokens"].tolist(), host["step"].tolist()
            for sequence, row in running.items():
                for token in tokens[sequence][: steps[sequence]]:
                    row.forward_passes += 1
                    if not row.ended:
                        append_token(row, token)
            record_output_times(running.values(), start_time)
            running = {sequence: row for sequence, row in running.items() if not row.ended}
            first = False

    def _get_open_session(self) -> DecodingSession:
        """Returns the session that the last call of `allocate_cache` opened."""
        assert self._session is not None
        return self._session

    def _open_session(
        self, sequence_count: int, capacity: int, block_length: int, sampler: Sampler, policy: CommitPolicy | None
    ) -> DecodingSession:
        """Returns a new session with captured CUDA graphs; without `policy`, it is for autoregressive decoding."""
        weights, config = self.weights, self.weights.config
        device = weights.embed.device
        # The layers of a bidirectional network share one layer's cache, see `step.forward`.
        cache_config = replace(config, layers=1) if self._whole else config
        cache = KVCache(cache_config, sequence_count, capacity, weights.embed.dtype, device)
        length = block_length or TOKENS_PER_ROUND
        steps = policy.steps if policy and policy.steps else 1
        context, tail = (capacity, capacity) if self._whole else (block_length + 1, 0)
        state, host = (
            new_decoding_state(sequence_count, length, context, steps, END_TOKENS, target, tail)
            for target in (device, torch.device("cpu"))
        )
        host_arrays = {name: field.numpy() for name, field in vars(host).items()}
        steps_per_launch = steps_per_graph(KERNELS_PER_LAYER * config.layers)

        def capture_passes(
            tokens_per_sequence: int, policy: CommitPolicy | None, pass_count: int
        ) -> Callable[[], None]:
            buffers = new_step_buffers(weights, cache, tokens_per_sequence, length if policy else 1, sampler.banned)
            single_step = partial(
                run_decoding_step, weights, state, buffers, cache, policy, block_length, sampler.temperature
            )
            return capture_steps(single_step, pass_count, state.live)

        if self._whole:
            passes = capture_passes(capacity, policy, steps_per_launch)
            return DecodingSession(state, host, host_arrays, cache, passes, passes)
        later_passes = capture_passes(block_length + config.shift if policy else 1, policy, steps_per_launch)
        first_pass = capture_passes(2 * block_length + config.shift, policy, 1) if policy else later_passes
        return DecodingSession(state, host, host_arrays, cache, first_pass, later_passes)


def write_end_tokens(host_state: HostStateArrays, rows: Sequence[Row]) -> None:
    """Writes the end tokens that all rows of the batch share to the host's copy of the device state.

    The device checks for these; the host checks for all end tokens of each row.
    """
    common = sorted(frozenset.intersection(*(row.stop_checker.end_tokens for row in rows)))[:END_TOKENS]
    host_state["end_tokens"][:] = -1
    host_state["end_tokens"][: len(common)] = common


def write_random_state(host_state: HostStateArrays, sequence: int, row: Row, next_random_index: int) -> None:
    """Writes a row's seed and the index of its next random number to the host's copy of the device state.

    Each row has its own seed, so that its random numbers do not depend on the other rows of the batch.
    """
    if row.generator is not None:
        host_state["seeds"][sequence], host_state["offsets"][sequence] = row.generator.initial_seed(), next_random_index


def _write_block_state(
    host_state: HostStateArrays, sequence: int, block: BlockState, policy: CommitPolicy, mask_id: int | None
) -> None:
    """Writes a block, and the row's text that is not in the KV cache, to the host's copy of the device state.

    For a bidirectional network, `mask_id` is its mask token, else None. Such a network has no KV cache, so the row's
    whole text and the tokens after the block are written.
    """
    row, size = block.row, len(block.tokens)
    cached = row.cached if mask_id is None else 0
    text = row.text[cached:]

    def write_state_field(name: str, values: Sequence[int]) -> None:
        host_state[name][sequence, : len(values)] = values

    host_state["masked"][sequence] = 0
    write_state_field("tokens", block.tokens)
    write_state_field("masked", block.masked)
    write_state_field("context", text)
    host_state["counts"][sequence] = 1
    write_state_field("counts", policy.commits_per_pass(block.initial_masks))
    host_state["length"][sequence], host_state["prompt_tokens"][sequence] = size, block.prompt_tokens
    host_state["limit"][sequence] = block.prompt_tokens + row.stop_checker.limit - len(row.stop_checker.tokens)
    host_state["context_length"][sequence], host_state["cached"][sequence] = len(text), cached
    if mask_id is not None:
        tail = [*[mask_id] * block.canvas_left, *row.suffix]
        assert len(text) + size + len(tail) <= host_state["tail"].shape[1]
        write_state_field("tail", tail)
        host_state["tail_length"][sequence] = len(tail)
    write_random_state(host_state, sequence, row, row.forward_passes * host_state["tokens"].shape[1])
    host_state["done"][sequence] = host_state["step"][sequence] = 0
