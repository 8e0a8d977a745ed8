"""Checks whole steps and whole decoding with the fused kernels against PyTorch, with random weights."""

import copy
import math
from collections.abc import Iterator, Sequence

import torch
from decoding_cost import Silent
from kernel_checks import Check, Setting
from torch import Tensor

from evalharness.diffusion.autoregression import decode_autoregressively
from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.checkpoints.loading import open_checkpoint
from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.decoding import denoise
from evalharness.diffusion.denoising import DenoisingSettings
from evalharness.diffusion.forward import RowInput, forward_rows
from evalharness.diffusion.kernels.commit import RULES
from evalharness.diffusion.kernels.engine import Engine
from evalharness.diffusion.kernels.layout import new_decoding_state, write_step_input
from evalharness.diffusion.kernels.step import forward, new_step_buffers, read_kernel_weights
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, Sampler
from evalharness.diffusion.rules import find_rule
from evalharness.generation.stopping import Detokenizer, StopChecker
from evalharness.util.paths import BUNDLED_NETWORK

SAME = 0.99
"""The fraction of a trained network's choices that have to be the same."""
SNIPPETS = (
    'def fibonacci(n):\n    """The n-th Fibonacci number."""\n',
    "def is_palindrome(text: str) -> bool:\n",
    "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n",
    "import math\n\ndef area(radius):\n",
)
MORE = 1.25
"""How much larger than PyTorch's the kernels' error may be, compared with float32."""
NEXT = "next token"
"""The name of autoregressive decoding among the rules."""
MEMORY = 200e6
"""The most bytes, in addition to weights and cache, for decoding one sequence."""


def random_network(setting: Setting, config: ModelConfig, strength: float = 1.0) -> Transformer:
    """A network with random matrices, `strength` times as large as at initialization."""
    with setting.device:
        model = Transformer(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.mul_(strength)
    return model.to(setting.dtype)


def random_texts(config: ModelConfig, sequences: int, length: int) -> list[list[int]]:
    """Random texts without special tokens."""
    first = max(config.mask_id, config.end_id, config.pad_id) + 1 if config.mask_id < config.vocab_size // 2 else 0
    last = config.vocab_size if first else min(config.mask_id, config.end_id, config.pad_id)
    return torch.randint(first, last, (sequences, length)).tolist()


def torch_states(model: Transformer, texts: list[list[int]], block: list[int], cache: KVCache) -> Tensor:
    """The final states [B, block, hidden] of a block after each text; puts the texts into the cache."""
    start, size = len(texts[0]), len(block)
    forward_rows(model, [RowInput(0, text, range(start)) for text in texts], cache)
    return forward_rows(model, [RowInput(start, block, [start + size - 1] * size)] * len(texts), cache)


def fused_states(model: Transformer, block: list[int], start: int, cache: KVCache) -> Tensor:
    """The same with the kernels; the texts are in the cache."""
    device, size = cache.layer_keys_and_values(0)[0].device, len(block)
    state = new_decoding_state(cache.row_count, size, 1, 1, 1, device)
    state.tokens.copy_(torch.tensor([block] * cache.row_count))
    state.length.fill_(size)
    state.cached.fill_(start)
    state.done.zero_()
    state.live.fill_(cache.row_count)
    weights = read_kernel_weights(model)
    b = new_step_buffers(weights, cache, size, size, ())
    for buffer in (b.residual, b.normed, b.queries, b.attended, b.gated, b.partials, b.log_sums, *b.products):
        buffer.fill_(math.nan)
    write_step_input(state, b.step_input, block_length=0, shift=False, autoregressive=False)
    forward(weights, b, cache, state.live)
    return b.normed.view(cache.row_count, size, -1)


@torch.inference_mode()
def check_step(setting: Setting, config: ModelConfig, sequences: int, context: int, block: int) -> Iterator[Check]:
    """Logits of a block after a context, and the likeliest tokens: about as close to float32 as PyTorch's.

    A second step has to give the same result bit for bit; otherwise kernels read what others still write.
    """
    model = random_network(setting, config)
    texts, tokens = random_texts(config, sequences, context), random_texts(config, 1, block)[0]
    cache = KVCache(config, sequences, context + block, setting.dtype, setting.device)
    plain = torch_states(model, texts, tokens, cache)
    fused, again = (fused_states(model, tokens, context, cache) for _ in range(2))
    steady = torch.equal(fused, again)
    exact_model = copy.deepcopy(model).float()
    exact_cache = KVCache(config, sequences, context + block, torch.float32, setting.device)
    exact = exact_model.logits(torch_states(exact_model, texts, tokens, exact_cache))
    plain, fused = (exact_model.logits(states.float()) for states in (plain, fused))
    theirs, ours = (float((logits - exact).square().mean().sqrt()) for logits in (plain, fused))
    shape = f"{config.layers} layers of {config.hidden}, {sequences} x {block} behind {context}"
    yield Check("step, logits", shape, ours / (MORE * theirs + 1e-5) if math.isfinite(ours) and steady else math.inf)
    places = exact.shape[0] * exact.shape[1]
    differ, explained = (int((logits.argmax(-1) != exact.argmax(-1)).sum()) for logits in (fused, plain))
    yield Check("step, likeliest tokens", shape, differ / (MORE * explained + 0.01 * places + 1))


def make_row(prompt: list[int], limit: int, canvas: int = 0) -> Row:
    """A row that ends only at its limit."""
    decoder: Detokenizer = Silent()  # type: ignore[assignment]
    return Row(prompt, StopChecker(decoder, frozenset(), (), limit), canvas=canvas)


def disagreement(mine: list[Row], theirs: list[Row]) -> float:
    """The fraction of choices that differ; after a row's first difference, later choices are not comparable."""
    diverged = choices = 0
    for row, other in zip(mine, theirs, strict=True):
        pairs = list(zip(row.output, other.output, strict=False))
        first = next((at for at, (a, b) in enumerate(pairs) if a != b), len(pairs))
        diverged += first < len(pairs) or len(row.output) != len(other.output)
        choices += min(first + 1, len(pairs))
    return diverged / max(1, choices)


@torch.inference_mode()
def check_decoding(
    setting: Setting, config: ModelConfig, sequences: int, limit: int, rules: Sequence[str] = (*RULES, NEXT)
) -> Iterator[Check]:
    """Diffusion with each rule, and autoregression: the kernels leave float32's text no sooner than PyTorch does.

    With random weights many choices are close; in float32 every token has to be the same.
    """
    model = random_network(setting, config, strength=4.0)
    exact_model = copy.deepcopy(model).float()
    engine, sampler = Engine(model), Sampler(banned=(config.mask_id,))
    prompts, canvas = random_texts(config, sequences, 11), limit if config.attention == "bidirectional" else 0
    for rule in rules:
        fused, plain, exact = ([make_row(prompt, limit, canvas) for prompt in prompts] for _ in range(3))
        for network, rows, engine_or_none in ((model, fused, engine), (model, plain, None), (exact_model, exact, None)):
            if rule == NEXT:
                decode_autoregressively(network, rows, sampler, engine_or_none)
            else:
                denoising = DenoisingSettings(find_rule(rule, threshold=0.5, steps=4, block_length=8), 8, sampler)
                denoise(network, rows, denoising, engine_or_none)
        ours, theirs = disagreement(fused, exact), disagreement(plain, exact)
        yield Check(f"decoding, {rule}", f"{sequences} x {limit} tokens", ours / (2 * theirs + 0.02))


@torch.inference_mode()
def check_bundled(setting: Setting) -> Iterator[Check]:
    """The bundled network, whose choices are clear, by diffusion and autoregressively.

    The kernels may leave float32's text as often as PyTorch does in this precision.
    """
    loaded = open_checkpoint(str(BUNDLED_NETWORK), setting.dtype, setting.device)
    model, sampler = loaded.model, Sampler(banned=(loaded.model.config.mask_id,))
    exact_model = copy.deepcopy(model).float()
    engine, denoising = (
        Engine(model),
        DenoisingSettings(find_rule("threshold", threshold=0.9, steps=16, block_length=16), 16, sampler),
    )
    prompts = [list(loaded.tokenizer(text)["input_ids"]) for text in SNIPPETS]
    for name in ("diffusion", NEXT):
        fused, plain, exact = ([make_row(prompt, 128) for prompt in prompts] for _ in range(3))
        for network, rows, engine_or_none in ((model, fused, engine), (model, plain, None), (exact_model, exact, None)):
            if name == NEXT:
                decode_autoregressively(network, rows, sampler, engine_or_none)
            else:
                denoise(network, rows, denoising, engine_or_none)
        ours, theirs = disagreement(fused, exact), disagreement(plain, exact)
        yield Check(f"bundled network, {name}", f"{len(prompts)} x 128 tokens", ours / (2 * theirs + 1 - SAME))


@torch.inference_mode()
def check_memory(setting: Setting, config: ModelConfig) -> Iterator[Check]:
    """The memory of decoding in addition to weights and cache; logits of all tokens would exceed it."""
    model = random_network(setting, config)
    engine, sampler = Engine(model), Sampler(banned=(config.mask_id,))
    denoising = DenoisingSettings(find_rule("threshold", threshold=0.5, steps=4, block_length=32), 32, sampler)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(setting.device)
    before = torch.cuda.memory_allocated(setting.device)
    row = make_row(random_texts(config, 1, 32)[0], 64)
    denoise(model, [row], denoising, engine)
    cache = engine.allocate_cache([make_row(row.prompt, 64)], sampler, denoising)
    kept = sum(part.nbytes * config.layers for part in cache.layer_keys_and_values(0))
    extra = torch.cuda.max_memory_allocated(setting.device) - before - kept
    yield Check("memory beside weights and cache", f"{extra / 1e6:.0f} MB", extra / MEMORY)
