"""Measures forward passes on this CPU by number of rows and precision, and the decoding speed that follows.

Weights are random; they do not affect the time. With `--cpu-time`, which needs one thread, CPU time is measured instead
of wall time, so that other programs on the machine matter less.

    python benchmarks/decoding_cost.py --threads 2
    python benchmarks/decoding_cost.py --threads 1 --cpu-time
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch

from evalharness.diffusion.autoregression import decode_autoregressively, decode_self_speculatively
from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.decoding import denoise, prefill
from evalharness.diffusion.denoising import DenoisingSettings
from evalharness.diffusion.forward import RowInput, forward_rows
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.packing import can_pack_linear_layers, pack_linear_layers
from evalharness.diffusion.rows import Row, Sampler
from evalharness.diffusion.rules import find_rule
from evalharness.generation.stopping import Detokenizer, StopChecker

CONTEXT, TOKENS = 256, 128


Clock = Callable[[], float]


def seconds(call: Callable[[], object], clock: Clock, repeats: int) -> float:
    """The minimum over the repeats, which is the least disturbed by other programs."""
    call()
    times = []
    for _ in range(repeats):
        start = clock()
        call()
        times.append(clock() - start)
    return min(times)


def pass_ms(model: Transformer, rows: int, clock: Clock, repeats: int) -> tuple[float, float]:
    """Milliseconds of a pass of `rows` tokens after CONTEXT cached ones, and of computing their logits."""
    weight = model.embed.weight
    cache = KVCache(model.config, 1, CONTEXT + rows, weight.dtype, weight.device)
    row_input = RowInput(CONTEXT, [5] * rows, [CONTEXT + rows - 1] * rows)
    hidden = forward_rows(model, [row_input], cache)
    body = seconds(lambda: forward_rows(model, [row_input], cache), clock, repeats)
    return body * 1e3, seconds(lambda: model.logits(hidden), clock, repeats) * 1e3


class Silent:
    """A detokenizer for rows whose text is not needed."""

    special: frozenset[int] = frozenset()

    def special_token_id(self, _: str) -> None:
        return None

    def text(self, _: object) -> str:
        return ""


def decode_ms(model: Transformer, generate: Callable[..., None], clock: Clock, repeats: int) -> tuple[float, int]:
    """Milliseconds and passes for TOKENS tokens after a prompt of CONTEXT tokens, without prefill."""
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
        prefill_s = seconds(lambda: prefill(model, [text], 32, 0.0), clock, 3 * repeats)
    return (seconds(once, clock, repeats) - prefill_s) * 1e3, once()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--hidden", type=int, default=320)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--vocab", type=int, default=8192)
    parser.add_argument("--kv-heads", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=30, help="repeats of each measurement")
    parser.add_argument("--cpu-time", action="store_true", help="measure CPU time instead of wall time")
    args = parser.parse_args()
    if args.cpu_time and args.threads != 1:
        parser.error("--cpu-time takes --threads 1")
    clock = time.process_time if args.cpu_time else time.perf_counter
    torch.set_num_threads(args.threads)
    heads = args.hidden // 64
    config = ModelConfig(
        vocab_size=args.vocab, hidden=args.hidden, layers=args.layers, heads=heads, kv_heads=args.kv_heads,
        head_dim=64, intermediate=args.hidden * 8 // 3 // 64 * 64, mask_id=0, end_id=1, pad_id=2,
    )  # fmt: skip
    sampler = Sampler(banned=(0,))
    for dtype in (torch.float32, torch.bfloat16):
        torch.manual_seed(0)
        model = Transformer(config).eval().requires_grad_(False).to(dtype)
        if can_pack_linear_layers(model):
            pack_linear_layers(model)
        count = sum(p.numel() for p in model.parameters())
        print(f"{count / 1e6:.1f} M parameters, {dtype}, {args.threads} threads, {CONTEXT} tokens of context")
        with torch.inference_mode():
            for rows in (1, 2, 4, 8, 16, 32, 64):
                body, head = pass_ms(model, rows, clock, args.repeats)
                print(f"  pass of {rows:3} rows: {body + head:6.2f} ms (layers {body:.2f}, logits {head:.2f})")
        few = max(3, args.repeats // 10)
        plain, passes = decode_ms(model, partial(decode_autoregressively, model, sampler=sampler), clock, few)
        print(f"  autoregressive: {plain / passes:6.2f} ms a pass, {TOKENS / plain * 1e3:.0f} tokens/s")
        for block in (8, 16, 32):
            # With random weights the acceptance length is arbitrary; only the cost of a pass matters.
            rule = find_rule("confidence", threshold=1, steps=max(1, block // 4), block_length=block)
            denoising = DenoisingSettings(rule, block, sampler)
            took, passes = decode_ms(model, partial(denoise, model, denoising=denoising), clock, few)
            print(
                f"  diffusion, block {block:2}, 4 tokens a pass: {took / passes:6.2f} ms a pass, "
                f"{TOKENS / took * 1e3:.0f} tokens/s, {plain / took:.2f} times autoregressive"
            )
        for block in (4, 8, 16):
            took, passes = decode_ms(
                model, partial(decode_self_speculatively, model, draft_length=block, sampler=sampler), clock, few
            )
            print(
                f"  speculation, draft {block:2}: {took / passes:6.2f} ms a pass; to be 1.5 times as fast as "
                f"autoregressive each pair of passes must produce {3 * took / passes / (plain / TOKENS):.1f} tokens"
            )


if __name__ == "__main__":
    main()
