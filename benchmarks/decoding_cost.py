"""What a forward pass costs on this CPU by the number of its rows and its precision, and what decoding makes of it.

Random weights: time does not depend on what they are. Run it alone on the machine, or read ratios only.

    python benchmarks/decoding_cost.py --threads 2
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch

from evalharness.backends.stopping import Decoder, RowWatch
from evalharness.diffusion.autoregression import autoregress, speculate
from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.decoding import Denoising, denoise
from evalharness.diffusion.model import Transformer
from evalharness.diffusion.passes import Piece, run
from evalharness.diffusion.rows import Draws, Row
from evalharness.diffusion.rules import find_rule

CONTEXT, TOKENS = 256, 128


def seconds(call: Callable[[], object], repeats: int) -> float:
    """The least of the repeats, which is the least disturbed by other programs."""
    call()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)


def pass_ms(model: Transformer, rows: int, repeats: int) -> tuple[float, float]:
    """Milliseconds of a pass of `rows` tokens over CONTEXT cached ones, and of the logits of all of them."""
    weight = model.embed.weight
    cache = KVCache(model.config, 1, CONTEXT + rows, weight.dtype, weight.device)
    piece = Piece(CONTEXT, [5] * rows, [CONTEXT + rows - 1] * rows)
    hidden = run(model, [piece], cache)
    body = seconds(lambda: run(model, [piece], cache), repeats)
    return body * 1e3, seconds(lambda: model.logits(hidden), repeats) * 1e3


class Silent:
    """A tokenizer for rows that no one reads."""

    special: frozenset[int] = frozenset()

    def special_id(self, _: str) -> None:
        return None

    def text(self, _: object) -> str:
        return ""


def decode_ms(model: Transformer, generate: Callable[..., None], repeats: int) -> tuple[float, int]:
    """Milliseconds and passes for TOKENS tokens after a prompt of CONTEXT tokens, prefill left out."""
    found = []
    for _ in range(repeats):
        decoder: Decoder = Silent()  # type: ignore[assignment]
        row = Row([5] * CONTEXT, RowWatch(decoder, frozenset(), (), TOKENS))
        generate(rows=[row])
        assert row.ended_s is not None
        assert row.prefill_s is not None
        found.append((row.ended_s - row.prefill_s, row.forwards))
    least = min(found)
    return least[0] * 1e3, least[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=320)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--vocab", type=int, default=8192)
    parser.add_argument("--kv-heads", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=30)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    heads = given.hidden // 64
    config = ModelConfig(
        vocab_size=given.vocab, hidden=given.hidden, layers=given.layers, heads=heads, kv_heads=given.kv_heads,
        head_dim=64, intermediate=given.hidden * 8 // 3 // 64 * 64, mask_id=0, end_id=1, pad_id=2,
    )  # fmt: skip
    draws = Draws(banned=(0,))
    for dtype in (torch.float32, torch.bfloat16):
        torch.manual_seed(0)
        model = Transformer(config).eval().requires_grad_(False).to(dtype)
        count = sum(p.numel() for p in model.parameters())
        print(f"{count / 1e6:.1f} M parameters, {dtype}, {given.threads} threads, {CONTEXT} tokens of context")
        with torch.inference_mode():
            for rows in (1, 2, 4, 8, 16, 32, 64):
                body, head = pass_ms(model, rows, given.repeats)
                print(f"  pass of {rows:3} rows: {body + head:6.2f} ms (layers {body:.2f}, logits {head:.2f})")
        few = max(3, given.repeats // 10)
        plain, passes = decode_ms(model, partial(autoregress, model, draws=draws), few)
        print(f"  autoregressive: {plain / passes:6.2f} ms a pass, {TOKENS / plain * 1e3:.0f} tokens/s")
        for block in (8, 16, 32):
            # Random weights agree by chance alone: what counts is the cost of a pass.
            rule = find_rule("confidence", tau=1, steps=max(1, block // 4), block=block)
            how = Denoising(rule, block, draws)
            took, passes = decode_ms(model, partial(denoise, model, how=how), few)
            print(
                f"  diffusion, block {block:2}, 4 tokens a pass: {took / passes:6.2f} ms a pass, "
                f"{TOKENS / took * 1e3:.0f} tokens/s, {plain / took:.2f} times autoregressive"
            )
        for block in (4, 8, 16):
            took, passes = decode_ms(model, partial(speculate, model, block=block, draws=draws), few)
            print(
                f"  speculation, draft {block:2}: {took / passes:6.2f} ms a pass; to be 1.5 times as fast as "
                f"autoregressive each pair must give {3 * took / passes / (plain / TOKENS):.1f} tokens"
            )


if __name__ == "__main__":
    main()
