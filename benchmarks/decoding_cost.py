"""What a forward pass costs on this CPU by the number of its rows and its precision, and what decoding makes of it.

Random weights: time does not depend on what they are. With `--cpu-time`, which takes one thread, the processor's time
is counted instead of the clock's: other programs on the machine then matter less.

    python benchmarks/decoding_cost.py --threads 2
    python benchmarks/decoding_cost.py --threads 1 --cpu-time
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch

from evalharness.diffusion.autoregression import autoregress, speculate
from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.decoding import denoise, prefill
from evalharness.diffusion.denoising import Denoising
from evalharness.diffusion.forward import Segment, forward_segments
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.packing import can_pack, pack
from evalharness.diffusion.rows import Row, Sampler
from evalharness.diffusion.rules import find_rule
from evalharness.generation.stopping import Detokenizer, StopChecker

CONTEXT, TOKENS = 256, 128


Clock = Callable[[], float]


def seconds(call: Callable[[], object], clock: Clock, repeats: int) -> float:
    """The least of the repeats, which is the least disturbed by other programs."""
    call()
    found = []
    for _ in range(repeats):
        start = clock()
        call()
        found.append(clock() - start)
    return min(found)


def pass_ms(model: Transformer, rows: int, clock: Clock, repeats: int) -> tuple[float, float]:
    """Milliseconds of a pass of `rows` tokens over CONTEXT cached ones, and of the logits of all of them."""
    weight = model.embed.weight
    cache = KVCache(model.config, 1, CONTEXT + rows, weight.dtype, weight.device)
    piece = Segment(CONTEXT, [5] * rows, [CONTEXT + rows - 1] * rows)
    hidden = forward_segments(model, [piece], cache)
    body = seconds(lambda: forward_segments(model, [piece], cache), clock, repeats)
    return body * 1e3, seconds(lambda: model.logits(hidden), clock, repeats) * 1e3


class Silent:
    """A tokenizer for rows that no one reads."""

    special: frozenset[int] = frozenset()

    def special_id(self, _: str) -> None:
        return None

    def text(self, _: object) -> str:
        return ""


def decode_ms(model: Transformer, generate: Callable[..., None], clock: Clock, repeats: int) -> tuple[float, int]:
    """Milliseconds and passes for TOKENS tokens after a prompt of CONTEXT tokens, prefill left out."""
    decoder: Detokenizer = Silent()  # type: ignore[assignment]

    def fresh(limit: int) -> Row:
        return Row([5] * CONTEXT, StopChecker(decoder, frozenset(), (), limit))

    def once() -> int:
        row = fresh(TOKENS)
        generate(rows=[row])
        return row.forward_passes

    text = fresh(TOKENS)
    text.text = text.prompt
    with torch.inference_mode():
        reading = seconds(lambda: prefill(model, [text], 32, 0.0), clock, 3 * repeats)
    return (seconds(once, clock, repeats) - reading) * 1e3, once()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=320)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--vocab", type=int, default=8192)
    parser.add_argument("--kv-heads", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--cpu-time", action="store_true")
    given = parser.parse_args()
    if given.cpu_time and given.threads != 1:
        parser.error("--cpu-time takes --threads 1")
    clock = time.process_time if given.cpu_time else time.perf_counter
    torch.set_num_threads(given.threads)
    heads = given.hidden // 64
    config = ModelConfig(
        vocab_size=given.vocab, hidden=given.hidden, layers=given.layers, heads=heads, kv_heads=given.kv_heads,
        head_dim=64, intermediate=given.hidden * 8 // 3 // 64 * 64, mask_id=0, end_id=1, pad_id=2,
    )  # fmt: skip
    sampler = Sampler(banned=(0,))
    for dtype in (torch.float32, torch.bfloat16):
        torch.manual_seed(0)
        model = Transformer(config).eval().requires_grad_(False).to(dtype)
        if can_pack(model):
            pack(model)
        count = sum(p.numel() for p in model.parameters())
        print(f"{count / 1e6:.1f} M parameters, {dtype}, {given.threads} threads, {CONTEXT} tokens of context")
        with torch.inference_mode():
            for rows in (1, 2, 4, 8, 16, 32, 64):
                body, head = pass_ms(model, rows, clock, given.repeats)
                print(f"  pass of {rows:3} rows: {body + head:6.2f} ms (layers {body:.2f}, logits {head:.2f})")
        few = max(3, given.repeats // 10)
        plain, passes = decode_ms(model, partial(autoregress, model, sampler=sampler), clock, few)
        print(f"  autoregressive: {plain / passes:6.2f} ms a pass, {TOKENS / plain * 1e3:.0f} tokens/s")
        for block in (8, 16, 32):
            # Random weights agree by chance alone: what counts is the cost of a pass.
            rule = find_rule("confidence", threshold=1, steps=max(1, block // 4), block=block)
            how = Denoising(rule, block, sampler)
            took, passes = decode_ms(model, partial(denoise, model, denoising=how), clock, few)
            print(
                f"  diffusion, block {block:2}, 4 tokens a pass: {took / passes:6.2f} ms a pass, "
                f"{TOKENS / took * 1e3:.0f} tokens/s, {plain / took:.2f} times autoregressive"
            )
        for block in (4, 8, 16):
            took, passes = decode_ms(model, partial(speculate, model, block=block, sampler=sampler), clock, few)
            print(
                f"  speculation, draft {block:2}: {took / passes:6.2f} ms a pass; to be 1.5 times as fast as "
                f"autoregressive each pair must give {3 * took / passes / (plain / TOKENS):.1f} tokens"
            )


if __name__ == "__main__":
    main()
