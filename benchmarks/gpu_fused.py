"""Times of the fused kernels: each kernel over all layers, whole steps, and whole decoding."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from decoding_cost import Silent
from gpu_timing import graph_seconds

from evalharness.diffusion.autoregression import decode_autoregressively
from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.decoding import denoise
from evalharness.diffusion.denoising import DenoisingSettings
from evalharness.diffusion.kernels import attention, gemm, head, mlp, norm, qkv
from evalharness.diffusion.kernels.commit import CommitPolicy
from evalharness.diffusion.kernels.engine import Engine
from evalharness.diffusion.kernels.layout import DecodingState, new_decoding_state, write_step_input
from evalharness.diffusion.kernels.step import KernelWeights, StepBuffers, new_step_buffers, run_decoding_step
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, Sampler
from evalharness.diffusion.rules import find_rule
from evalharness.generation.stopping import Detokenizer, StopChecker

L2_BYTES = 50 << 20
"""The L2 cache of an H100 or H200; repeated reads of less data do not reach memory."""


@dataclass(frozen=True)
class Bench:
    """A prepared step of B sequences: blocks of masks after a context, or next tokens."""

    weights: KernelWeights
    state: DecodingState
    buffers: StepBuffers
    cache: KVCache
    policy: CommitPolicy | None

    def run(self) -> None:
        """Runs one step."""
        run_decoding_step(
            self.weights, self.state, self.buffers, self.cache, self.policy, self.weights.config.block_size
        )

    @property
    def bytes(self) -> int:
        """Bytes that the step has to read: the weights, and the keys and values in the cache."""
        keys, _ = self.cache.layer_keys_and_values(0)
        context = int(self.state.cached[0])
        per_slot = 2 * keys.shape[1] * keys.shape[3] * keys.element_size()
        return self.weights.bytes_per_pass + self.weights.config.layers * self.cache.row_count * context * per_slot


def random_model(config: ModelConfig, device: torch.device) -> Transformer:
    """A network with random weights, in bfloat16 on a GPU and float32 in the interpreter."""
    with device:
        torch.set_default_dtype(torch.bfloat16 if device.type == "cuda" else torch.float32)
        model = Transformer(config).eval().requires_grad_(False)
        torch.set_default_dtype(torch.float32)
    return model


def prepare(weights: KernelWeights, sequences: int, context: int, block: int) -> Bench:
    """A step of blocks of `block` tokens, or with 0 of the next token, after random keys and values."""
    config, device = weights.config, weights.embed.device
    size = block or 1
    cache = KVCache(config, sequences, context + size, weights.embed.dtype, device)
    for number in range(config.layers):
        for part in cache.layer_keys_and_values(number):
            part.normal_()
    state = new_decoding_state(sequences, size, 1, 1, 1, device)
    if block:
        state.tokens.fill_(config.mask_id)
        state.masked.fill_(1)
        state.length.fill_(block)
    else:
        state.context_length.fill_(1)
    # A limit beyond the block, so that no step of a measurement ends a sequence.
    state.limit.fill_(1 << 30)
    state.cached.fill_(context)
    state.done.zero_()
    state.live.fill_(sequences)
    buffers = new_step_buffers(weights, cache, size, size, (config.mask_id,))
    return Bench(weights, state, buffers, cache, CommitPolicy("threshold", 0.9) if block else None)


def prepare_whole(weights: KernelWeights, sequences: int, before: int, block: int) -> Bench:
    """A step of a bidirectional network: a block of masks after `before` tokens, all of which are computed."""
    config = replace(weights.config, attention="bidirectional")
    weights, size, device = replace(weights, config=config), before + block, weights.embed.device
    cache = KVCache(replace(config, layers=1), sequences, size, weights.embed.dtype, device)
    state = new_decoding_state(sequences, block, before, 1, 1, device, max_tokens_after_block=1)
    state.tokens.fill_(config.mask_id)
    state.masked.fill_(1)
    state.length.fill_(block)
    state.context_length.fill_(before)
    state.limit.fill_(1 << 30)
    state.done.zero_()
    state.live.fill_(sequences)
    buffers = new_step_buffers(weights, cache, size, block, (config.mask_id,))
    return Bench(weights, state, buffers, cache, CommitPolicy("threshold", 0.9))


def step_seconds(bench: Bench) -> float:
    """Seconds of a step in a graph. The state is restored before each step and at the end, so that masks remain."""
    initial = bench.state.flat.clone()

    def once() -> None:
        bench.state.flat.copy_(initial)
        bench.run()

    time = graph_seconds(once, bench.weights.embed.device)
    bench.state.flat.copy_(initial)
    return time


def kernel_times(bench: Bench) -> list[Callable[[], dict[str, object]]]:
    """Functions that measure each kernel over all layers in a graph: seconds, bytes, and whether L2 helped."""
    w, b, live = bench.weights, bench.buffers, bench.state.live
    config, eps = w.config, w.config.norm_eps
    heads, out, down = b.products
    keys, _ = bench.cache.layer_keys_and_values(0)
    context = int(bench.state.cached[0]) + int(bench.state.length[0])
    read = 2 * bench.cache.row_count * context * keys.shape[1] * keys.shape[3] * keys.element_size()
    write_step_input(bench.state, b.step_input, block_length=0, shift=False, autoregressive=bench.policy is None)

    def finish(number: int) -> None:
        layer, (own_keys, own_values) = w.layers[number], bench.cache.layer_keys_and_values(number)
        qkv.rope_and_cache(
            heads, layer.bias, layer.q_norm, layer.k_norm, eps, b.table, b.step_input.positions, b.queries, own_keys,
            own_values, live,
        )  # fmt: skip

    def attend(number: int) -> None:
        attention.attend(
            b.queries,
            *bench.cache.layer_keys_and_values(number),
            b.step_input.limits,
            b.partials,
            b.log_sums,
            b.attended,
            live,
        )

    def size(name: str) -> int:
        values: torch.Tensor = getattr(w.layers[0], name).values
        return values.nbytes

    ways: list[tuple[str, int, Callable[[int], None]]] = [
        ("qkv, product", size("qkv"), lambda n: gemm.split_matmul(b.normed, w.layers[n].qkv, heads, live)),
        ("qkv, norm, RoPE, cache", heads.nbytes, finish),
        ("attention, merge", read, attend),
        ("out, product", size("out"), lambda n: gemm.split_matmul(b.attended, w.layers[n].out, out, live)),
        ("gate, up, SiLU", size("gate_up"), lambda n: mlp.gate_up(b.normed, w.layers[n].gate_up, b.gated, live)),
        ("down, product", size("down"), lambda n: gemm.split_matmul(b.gated, w.layers[n].down, down, live)),
        (
            "sum, residual, norm",
            down.nbytes,
            lambda n: norm.add_and_norm(down, b.residual, w.norm, eps, b.normed, live),
        ),
    ]

    def look() -> None:
        p = b.step_input
        places = b.statistics.proposed.shape[0] // bench.cache.row_count
        head.predict_tokens(
            b.normed, w.head, p.rows, p.block_positions, p.count, b.banned, b.work, b.statistics, places, live
        )

    def every_layer(name: str, count: int, call: Callable[[int], None]) -> dict[str, object]:
        def all_of_them() -> None:
            for number in range(config.layers):
                call(number)

        time = graph_seconds(all_of_them, w.embed.device) / config.layers
        return {"kernel": name, "s": time, "bytes": count, "in_l2": count * config.layers < L2_BYTES}

    def head_alone() -> dict[str, object]:
        count = w.head.values.nbytes
        return {"kernel": "head, statistics", "s": graph_seconds(look, w.embed.device), "bytes": count, "in_l2": False}

    return [*(partial(every_layer, *way) for way in ways), head_alone]


def rows(config: ModelConfig, sequences: int, prompt: int, limit: int) -> list[Row]:
    """Rows with random prompts that end only at their limit."""
    decoder: Detokenizer = Silent()  # type: ignore[assignment]
    prompts = torch.randint(0, min(config.mask_id, config.end_id), (sequences, prompt)).tolist()
    return [Row(tokens, StopChecker(decoder, frozenset(), (), limit)) for tokens in prompts]


def decoded_per_second(
    model: Transformer, engine: Engine | None, sequences: int, prompt: int, limit: int, per_pass: int, block: int
) -> float:
    """Tokens per second after prefill of all sequences together, with `per_pass` tokens per pass.

    A fixed schedule gives that number with any weights; with 1 token per pass decoding is autoregressive. The second
    batch is timed, because the first one compiles.
    """
    config = model.config
    sampler = Sampler(banned=(config.mask_id,))
    denoising = DenoisingSettings(
        find_rule("confidence", threshold=0, steps=block // per_pass, block_length=block), block, sampler
    )
    for _ in range(2):
        batch = rows(config, sequences, prompt, limit)
        if per_pass > 1:
            denoise(model, batch, denoising, engine)
        else:
            decode_autoregressively(model, batch, sampler, engine)
    ends = [row.ended_s or 0.0 for row in batch]
    starts = [row.prefill_s or 0.0 for row in batch]
    return sequences * limit / (max(ends) - min(starts))


def served(config: ModelConfig) -> ModelConfig:
    """The configuration with causal attention, so that text is cached."""
    return replace(config, attention="causal") if config.attention == "bidirectional" else config
