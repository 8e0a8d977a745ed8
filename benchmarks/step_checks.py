"""Whole steps and whole decoding in the fused kernels against the same in PyTorch, with random weights."""

import copy
import math
from collections.abc import Iterator, Sequence

import torch
from decoding_cost import Silent
from kernel_checks import Check, Place
from torch import Tensor

from evalharness.diffusion.autoregression import autoregress
from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.checkpoints.loading import open_checkpoint
from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.decoding import denoise
from evalharness.diffusion.denoising import Denoising
from evalharness.diffusion.forward import Segment, forward_segments
from evalharness.diffusion.kernels.commit import RULES
from evalharness.diffusion.kernels.engine import Engine
from evalharness.diffusion.kernels.layout import lay_out, new_state
from evalharness.diffusion.kernels.step import forward, new_buffers, read_weights
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, Sampler
from evalharness.diffusion.rules import find_rule
from evalharness.generation.stopping import Detokenizer, StopChecker
from evalharness.util.paths import BUNDLED_NETWORK

SAME = 0.99
"""Of all choices of a trained network, those that have to be the same."""
SNIPPETS = (
    'def fibonacci(n):\n    """The n-th Fibonacci number."""\n',
    "def is_palindrome(text: str) -> bool:\n",
    "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n",
    "import math\n\ndef area(radius):\n",
)
MORE = 1.25
"""How much further from single precision the kernels may be than PyTorch's own steps are."""
NEXT = "next token"
"""Autoregression, among the names of rules."""
MEMORY = 200e6
"""Bytes beside weights and cache that decoding one sequence may take."""


def random_network(place: Place, config: ModelConfig, strength: float = 1.0) -> Transformer:
    """A network with random matrices, `strength` times as large as training begins with."""
    with place.device:
        model = Transformer(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.mul_(strength)
    return model.to(place.dtype)


def random_texts(config: ModelConfig, sequences: int, length: int) -> list[list[int]]:
    """Texts without special tokens."""
    first = max(config.mask_id, config.end_id, config.pad_id) + 1 if config.mask_id < config.vocab_size // 2 else 0
    last = config.vocab_size if first else min(config.mask_id, config.end_id, config.pad_id)
    return torch.randint(first, last, (sequences, length)).tolist()


def torch_states(model: Transformer, texts: list[list[int]], block: list[int], cache: KVCache) -> Tensor:
    """Final states [B, block, hidden] of a block behind each text, which is in the cache then."""
    start, size = len(texts[0]), len(block)
    forward_segments(model, [Segment(0, text, range(start)) for text in texts], cache)
    return forward_segments(model, [Segment(start, block, [start + size - 1] * size)] * len(texts), cache)


def fused_states(model: Transformer, block: list[int], start: int, cache: KVCache) -> Tensor:
    """The same by the kernels; the texts are in the cache."""
    device, size = cache.layer(0)[0].device, len(block)
    state = new_state(cache.rows, size, 1, 1, 1, device)
    state.tokens.copy_(torch.tensor([block] * cache.rows))
    state.length.fill_(size)
    state.cached.fill_(start)
    state.done.zero_()
    state.live.fill_(cache.rows)
    weights = read_weights(model)
    b = new_buffers(weights, cache, size, size, ())
    for buffer in (b.residual, b.normed, b.queries, b.attended, b.gated, b.partials, b.log_sums, *b.products):
        buffer.fill_(math.nan)
    lay_out(state, b.segments, block=0, shift=False, next_token=False)
    forward(weights, b, cache, state.live)
    return b.normed.view(cache.rows, size, -1)


@torch.inference_mode()
def check_step(place: Place, config: ModelConfig, sequences: int, context: int, block: int) -> Iterator[Check]:
    """Logits of a block behind a context, and the likeliest tokens: no further from single precision than PyTorch's.

    A second step gives the same to the bit, or kernels read what others still write.
    """
    model = random_network(place, config)
    texts, tokens = random_texts(config, sequences, context), random_texts(config, 1, block)[0]
    cache = KVCache(config, sequences, context + block, place.dtype, place.device)
    plain = torch_states(model, texts, tokens, cache)
    fused, again = (fused_states(model, tokens, context, cache) for _ in range(2))
    steady = torch.equal(fused, again)
    exact_model = copy.deepcopy(model).float()
    exact_cache = KVCache(config, sequences, context + block, torch.float32, place.device)
    exact = exact_model.logits(torch_states(exact_model, texts, tokens, exact_cache))
    plain, fused = (exact_model.logits(states.float()) for states in (plain, fused))
    theirs, ours = (float((logits - exact).square().mean().sqrt()) for logits in (plain, fused))
    shape = f"{config.layers} layers of {config.hidden}, {sequences} x {block} behind {context}"
    yield Check("step, logits", shape, ours / (MORE * theirs + 1e-5) if math.isfinite(ours) and steady else math.inf)
    places = exact.shape[0] * exact.shape[1]
    differ, explained = (int((logits.argmax(-1) != exact.argmax(-1)).sum()) for logits in (fused, plain))
    yield Check("step, likeliest tokens", shape, differ / (MORE * explained + 0.01 * places + 1))


def make_row(prompt: list[int], limit: int, canvas: int = 0) -> Row:
    """A row that ends at its limit alone."""
    decoder: Detokenizer = Silent()  # type: ignore[assignment]
    return Row(prompt, StopChecker(decoder, frozenset(), (), limit), canvas=canvas)


def disagreement(mine: list[Row], theirs: list[Row]) -> float:
    """The part of all choices that differ. Behind a row's first one that does, the question is no longer the same."""
    parted = choices = 0
    for row, other in zip(mine, theirs, strict=True):
        pairs = list(zip(row.output, other.output, strict=False))
        first = next((at for at, (a, b) in enumerate(pairs) if a != b), len(pairs))
        parted += first < len(pairs) or len(row.output) != len(other.output)
        choices += min(first + 1, len(pairs))
    return parted / max(1, choices)


@torch.inference_mode()
def check_decoding(
    place: Place, config: ModelConfig, sequences: int, limit: int, rules: Sequence[str] = (*RULES, NEXT)
) -> Iterator[Check]:
    """Rules of diffusion, and autoregression: they leave single precision's text no sooner than PyTorch does.

    Of random weights many choices are close; where the place is in single precision, every token has to be the same.
    """
    model = random_network(place, config, strength=4.0)
    exact_model = copy.deepcopy(model).float()
    engine, sampler = Engine(model), Sampler(banned=(config.mask_id,))
    prompts, canvas = random_texts(config, sequences, 11), limit if config.attention == "bidirectional" else 0
    for rule in rules:
        fused, plain, exact = ([make_row(prompt, limit, canvas) for prompt in prompts] for _ in range(3))
        for network, rows, own in ((model, fused, engine), (model, plain, None), (exact_model, exact, None)):
            if rule == NEXT:
                autoregress(network, rows, sampler, own)
            else:
                how = Denoising(find_rule(rule, threshold=0.5, steps=4, block=8), 8, sampler)
                denoise(network, rows, how, own)
        ours, theirs = disagreement(fused, exact), disagreement(plain, exact)
        yield Check(f"decoding, {rule}", f"{sequences} x {limit} tokens", ours / (2 * theirs + 0.02))


@torch.inference_mode()
def check_bundled(place: Place) -> Iterator[Check]:
    """The bundled network, whose choices are no accidents, by diffusion and one token after the other.

    Where PyTorch in this precision leaves single precision's text itself, the kernels may leave it as soon.
    """
    loaded = open_checkpoint(str(BUNDLED_NETWORK), place.dtype, place.device)
    model, sampler = loaded.model, Sampler(banned=(loaded.model.config.mask_id,))
    exact_model = copy.deepcopy(model).float()
    engine, how = Engine(model), Denoising(find_rule("threshold", threshold=0.9, steps=16, block=16), 16, sampler)
    prompts = [list(loaded.tokenizer(text)["input_ids"]) for text in SNIPPETS]
    for name in ("diffusion", NEXT):
        fused, plain, exact = ([make_row(prompt, 128) for prompt in prompts] for _ in range(3))
        for network, rows, own in ((model, fused, engine), (model, plain, None), (exact_model, exact, None)):
            if name == NEXT:
                autoregress(network, rows, sampler, own)
            else:
                denoise(network, rows, how, own)
        ours, theirs = disagreement(fused, exact), disagreement(plain, exact)
        yield Check(f"bundled network, {name}", f"{len(prompts)} x 128 tokens", ours / (2 * theirs + 1 - SAME))


@torch.inference_mode()
def check_memory(place: Place, config: ModelConfig) -> Iterator[Check]:
    """What decoding takes beside weights and cache: no logits of all tokens, least of all."""
    model = random_network(place, config)
    engine, sampler = Engine(model), Sampler(banned=(config.mask_id,))
    how = Denoising(find_rule("threshold", threshold=0.5, steps=4, block=32), 32, sampler)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(place.device)
    before = torch.cuda.memory_allocated(place.device)
    row = make_row(random_texts(config, 1, 32)[0], 64)
    denoise(model, [row], how, engine)
    cache = engine.cache([make_row(row.prompt, 64)], sampler, how)
    kept = sum(part.nbytes * config.layers for part in cache.layer(0))
    extra = torch.cuda.max_memory_allocated(place.device) - before - kept
    yield Check("memory beside weights and cache", f"{extra / 1e6:.0f} MB", extra / MEMORY)
