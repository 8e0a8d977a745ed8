"""Checks each kernel of a layer and of the head against double precision, at a network's shapes.

Outputs are filled with NaN before, so that values that a kernel does not write, or reads too early, are detected.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.kernels import attention, gemm, head, mlp, norm, qkv
from evalharness.diffusion.kernels.fp8 import Matrix, allocate_fp8_matrix, quantize_rows, quantize_to_fp8
from evalharness.diffusion.kernels.kernel_options import WeightFormat

SUM = 1e-5
"""The rounding of sums in float32, as a fraction of the sum of all magnitudes."""

FP8_SUM = 2.0**-11
"""The same for sums of products of 8-bit floats, which the matrix unit keeps to about 14 bits between steps."""


@dataclass(frozen=True)
class Check:
    """A check: its name and shape, and the largest error as a multiple of what rounding explains."""

    name: str
    shape: str
    error: float

    @property
    def passed(self) -> bool:
        """Whether rounding explains the error; NaN counts as an error."""
        return self.error <= 1


@dataclass(frozen=True)
class Setting:
    """The device and the precision of the checks."""

    device: torch.device
    dtype: torch.dtype

    @property
    def eps(self) -> float:
        """The distance from 1 to the next larger number."""
        return torch.finfo(self.dtype).eps

    def random(self, *shape: int) -> Tensor:
        """Normally distributed numbers in this precision."""
        return torch.randn(shape, device=self.device, dtype=torch.float32).to(self.dtype)

    def poison(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """A tensor of NaN."""
        return torch.full(shape, math.nan, device=self.device, dtype=dtype or self.dtype)

    def live(self, count: int = 1) -> Tensor:
        """The number of sequences that are not done, as the kernels read it."""
        return torch.full((1,), count, device=self.device, dtype=torch.int32)


def worst(result: Tensor, exact: Tensor, bound: Tensor | float) -> float:
    """The largest error as a multiple of its bound; infinite if a value is NaN."""
    error = (result.double() - exact).abs() / bound
    return float(error.nan_to_num(nan=math.inf).max())


def make_weight(setting: Setting, width: int, inner: int, fp8: bool) -> Matrix:
    """Random weights that keep the magnitude of their input."""
    values = setting.random(width, inner) / math.sqrt(inner)
    return quantize_to_fp8(values) if fp8 else Matrix(values)


def make_rows(setting: Setting, rows: int, inner: int, weights: WeightFormat) -> tuple[Tensor | Matrix, Tensor]:
    """Activations in the format that the products take, and the same in double precision."""
    x = setting.random(rows, inner)
    if weights != "fp8-w8a8":
        return x, x.double()
    narrowed = quantize_to_fp8(x)
    return narrowed, narrowed.dequantized(torch.float64)


def check_products(setting: Setting, config: ModelConfig, rows: int, weights: WeightFormat) -> Iterator[Check]:
    """The products of a layer: accurate, reproducible bit for bit, and writing nothing when all sequences are done."""
    queries, fp8 = config.heads * config.head_dim, weights != "network"
    rounding = FP8_SUM if weights == "fp8-w8a8" else SUM
    shapes = {
        "qkv": (queries + 2 * config.kv_heads * config.head_dim, config.hidden),
        "out": (config.hidden, queries),
        "down": (config.hidden, config.intermediate),
    }
    for name, (width, inner) in shapes.items():
        (x, exact), weight = make_rows(setting, rows, inner, weights), make_weight(setting, width, inner, fp8)
        dense = weight.dequantized(torch.float64)
        splits = gemm.plan_matmul_tiling(width, inner, rows, fp8).splits
        partials, again = (setting.poison(splits, rows, width, dtype=torch.float32) for _ in range(2))
        gemm.split_matmul(x, weight, partials, setting.live())
        gemm.split_matmul(x, weight, again, setting.live())
        error = worst(partials.double().sum(0), exact @ dense.T, rounding * (exact.abs() @ dense.abs().T))
        same = torch.equal(partials, again)
        gemm.split_matmul(x, weight, again.fill_(math.nan), setting.live(0))
        idle = bool(again.isnan().all())
        shape = f"{rows} x {width} x {inner}, {weights}"
        yield Check(f"product {name}", shape, error if same and idle else math.inf)
    (x, exact), weight = (
        make_rows(setting, rows, config.hidden, weights),
        make_weight(setting, 2 * config.intermediate, config.hidden, fp8),
    )
    out = setting.poison(rows, config.intermediate)
    mlp.gate_up(x, weight, out, setting.live())
    dense = weight.dequantized(torch.float64)
    gate, up = (exact @ dense.T).chunk(2, dim=-1)
    # Gate, up, the activation and their product are each rounded.
    bound = 2 * setting.eps * (gate * up).abs() + SUM
    if weights == "fp8-w8a8":
        of_gate, of_up = (rounding * (exact.abs() @ dense.abs().T)).chunk(2, dim=-1)
        # The derivative of SiLU is at most 1.1.
        bound = bound + 1.1 * of_gate * (up.abs() + of_up) + of_up * F.silu(gate).abs()
    shape = f"{rows} x 2 x {config.intermediate} x {config.hidden}, {weights}"
    yield Check("gate and up", shape, worst(out, F.silu(gate) * up, bound))


def check_quantized_rows(setting: Setting, rows: int, inner: int) -> Iterator[Check]:
    """8-bit activations: exact scales, and values within half a step."""
    x = setting.random(rows, inner)
    out = allocate_fp8_matrix(rows, inner, setting.device)
    assert out.scale is not None
    out.values.view(torch.uint8).fill_(0x7F)
    out.scale.fill_(math.nan)
    quantize_rows(x, out, setting.live())
    expected = quantize_to_fp8(x).scale
    assert expected is not None
    bound = torch.maximum(x.double().abs() / 16, out.scale.double()[:, None] / 1024) * 1.0001
    error = worst(out.dequantized(torch.float32), x.double(), bound)
    yield Check("8-bit rows", f"{rows} x {inner}", error if torch.equal(out.scale, expected) else math.inf)


def check_norms(setting: Setting, config: ModelConfig, rows: int) -> Iterator[Check]:
    """Embedding with norm, and the sum of a product with residual and norm."""
    hidden, eps, shape = config.hidden, config.norm_eps, f"{rows} x {config.hidden}"
    table, gain = setting.random(300, hidden), setting.random(hidden)
    tokens = torch.randint(0, 300, (rows,), device=setting.device, dtype=torch.int32)
    residual, normed = setting.poison(rows, hidden), setting.poison(rows, hidden)
    norm.embed_and_norm(tokens, table, gain, eps, residual, normed, setting.live())
    same = torch.equal(residual, table[tokens.long()])
    exact = F.rms_norm(residual.double(), (hidden,), gain.double(), eps)
    yield Check("embedding, norm", shape, worst(normed, exact, setting.eps * exact.abs() + SUM) if same else math.inf)

    partials, before = torch.randn(5, rows, hidden, device=setting.device), setting.random(rows, hidden)
    residual, normed = before.clone(), setting.poison(rows, hidden)
    norm.add_and_norm(partials, residual, gain, eps, normed, setting.live())
    added = partials.double().sum(0)
    after = before.double() + added
    bound = setting.eps * (added.abs() + after.abs()) + SUM
    exact = F.rms_norm(residual.double(), (hidden,), gain.double(), eps)
    error = max(worst(residual, after, bound), worst(normed, exact, setting.eps * exact.abs() + SUM))
    yield Check("residual, norm", shape, error)


def check_qkv(setting: Setting, config: ModelConfig, sequences: int, size: int) -> Iterator[Check]:
    """Bias, per-head norm, RoPE and the write to the cache; other slots stay unchanged."""
    rows, width, capacity = sequences * size, config.head_dim, 2 * size + 40
    columns = (config.heads + 2 * config.kv_heads) * width
    partials = torch.randn(3, rows, columns, device=setting.device)
    bias = setting.random(columns) if config.qkv_bias else None
    q_gain, k_gain = (setting.random(width) if config.qk_norm else None for _ in range(2))
    table = qkv.make_rope_table(config, capacity, setting.dtype, setting.device)
    starts = torch.arange(sequences, device=setting.device)[:, None] * 3
    positions = (starts + torch.arange(size, device=setting.device)).flatten().int()
    positions[-1] = -1
    queries = setting.poison(rows, config.heads * width)
    keys, values = (setting.poison(sequences, config.kv_heads, capacity, width) for _ in range(2))
    qkv.rope_and_cache(
        partials, bias, q_gain, k_gain, config.norm_eps, table, positions, queries, keys, values, setting.live()
    )
    expected = qkv.rope_and_cache_reference(
        partials, bias, q_gain, k_gain, config.norm_eps, table, positions,
        kv_heads=config.kv_heads, head_dim=width, dtype=setting.dtype,
    )  # fmt: skip
    real = positions >= 0
    rows_of = torch.arange(rows, device=setting.device)[real] // size
    slots = positions[real].long()
    pairs = [(queries.view(rows, config.heads, width), expected[0])]
    pairs += [(cache[rows_of, :, slots], part[real]) for cache, part in zip((keys, values), expected[1:], strict=True)]
    error = max(
        worst(found, exact.double(), 2 * setting.eps * exact.double().abs().amax(-1, keepdim=True) + SUM)
        for found, exact in pairs
    )
    written = int(keys.isfinite().all(dim=(1, 3)).sum() + values.isfinite().all(dim=(1, 3)).sum())
    untouched = written == 2 * int(real.sum())
    yield Check("bias, RoPE, cache", f"{rows} x {columns}", error if untouched else math.inf)


def check_attention(setting: Setting, config: ModelConfig, sequences: int, size: int, capacity: int) -> Iterator[Check]:
    """Attention with a separate limit per row; slots after the limits are NaN."""
    rows, width, kv_heads = sequences * size, config.head_dim, config.kv_heads
    queries = setting.random(rows, config.heads * width)
    keys, values = setting.random(2, sequences, kv_heads, capacity, width)
    limits = torch.randint(0, capacity, (rows,), device=setting.device, dtype=torch.int32)
    behind = torch.arange(capacity, device=setting.device) > limits.view(sequences, size).amax(1, keepdim=True)
    hidden = behind[:, None, :, None]
    splits = attention.choose_cache_splits(capacity, sequences, kv_heads, size, config.heads // kv_heads)
    parts = setting.poison(splits, rows, config.heads, width, dtype=torch.float32)
    logs = setting.poison(splits, rows, config.heads, dtype=torch.float32)
    attended = setting.poison(rows, config.heads * width)
    poisoned_keys, poisoned_values = (cache.masked_fill(hidden, math.nan) for cache in (keys, values))
    attention.attend(queries, poisoned_keys, poisoned_values, limits, parts, logs, attended, setting.live())
    exact = attention.attend_reference(queries.double(), keys.double(), values.double(), limits)
    bound = 2 * setting.eps * float(values.abs().max()) + SUM
    shape = f"{sequences} x {size} tokens, {capacity} slots"
    yield Check("attention", shape, worst(attended, exact, bound))


def check_head(setting: Setting, config: ModelConfig, rows: int, fp8: bool) -> Iterator[Check]:
    """Statistics over the vocabulary for some of the rows, with banned tokens and input tokens to compare."""
    states, weight = setting.random(rows, config.hidden), make_weight(setting, config.vocab_size, config.hidden, fp8)
    selected = max(1, rows - 3)
    banned = torch.tensor([config.mask_id, 7], device=setting.device, dtype=torch.int32)
    order = torch.randperm(rows, device=setting.device).int()
    places = torch.randperm(rows, device=setting.device).int()
    figures = (setting.poison(rows, dtype=torch.float32) for _ in range(4))
    found = head.TokenStatistics(torch.full((rows,), -1, device=setting.device, dtype=torch.int32), *figures)
    work = head.allocate_workspace(config.vocab_size, rows, setting.device)
    count = torch.tensor([selected], device=setting.device, dtype=torch.int32)
    tokens = torch.randint(8, config.mask_id if config.mask_id > 8 else config.vocab_size, (rows,)).int()
    tokens = tokens.to(setting.device)
    head.predict_tokens(
        states, weight, order, places, count, banned, work, found, rows, setting.live(), compared_tokens=tokens
    )

    at, row = places[:selected].long(), order[:selected].long()
    logits = states[row].double() @ weight.dequantized(torch.float64).T
    # Logits may be rounded to either side, so compared logits may differ by this much.
    step = setting.eps * float(logits.abs().max()) + 20 * SUM
    logits[:, banned.long()] = -math.inf
    top = found.proposed[at].long()
    logs = logits.log_softmax(dim=-1)
    second = logs.scatter(1, top[:, None], -math.inf).amax(dim=-1)
    entropy = torch.special.entr(logs.exp()).sum(dim=-1)
    assert found.share is not None
    before = row + 1 < rows
    logit = logits[before].gather(1, tokens[row[before] + 1].long()[:, None])[:, 0]
    share = found.share[at][before].double().log() - (logit - logits[before].amax(dim=-1))
    errors = (
        (logits.amax(dim=-1) - logits.gather(1, top[:, None])[:, 0]) / step,
        (found.probability[at].double().log() - logs.gather(1, top[:, None])[:, 0]).abs() / (2 * step),
        (found.second[at].double().log() - second).abs() / (2 * step),
        (found.entropy[at].double() - entropy).abs() / (step * (1 + entropy)),
        share.abs() / (2 * step),
    )
    error = max(float(each.nan_to_num(nan=math.inf).max()) for each in errors if len(each))
    left = torch.ones(rows, dtype=torch.bool, device=setting.device).scatter(0, at, False)
    untouched = bool(found.probability[left].isnan().all())
    yield Check(
        "head", f"{selected} of {rows} x {config.vocab_size} x {config.hidden}", error if untouched else math.inf
    )


def check_samples(setting: Setting, sequences: int, length: int) -> Iterator[Check]:
    """Tokens sampled from a small vocabulary: frequencies match the probabilities and depend only on the seeds."""
    vocabulary, hidden, total = 30, 64, sequences * length
    weight = Matrix(2 * setting.random(vocabulary, hidden) / math.sqrt(hidden))
    states, device = setting.random(1, hidden), setting.device
    seeds = torch.randint(0, 2**62, (sequences,), device=device)
    noise = head.SamplingNoise(0.8, seeds, torch.arange(sequences, device=device, dtype=torch.int32) * 1000)
    rows, places = torch.zeros(total, dtype=torch.int32, device=device), torch.arange(total, device=device).int()
    banned = torch.tensor([3], dtype=torch.int32, device=device)
    count = torch.tensor([total], dtype=torch.int32, device=device)

    def drawn() -> Tensor:
        tokens = torch.full((total,), -1, dtype=torch.int32, device=device)
        found = head.TokenStatistics(tokens, *(setting.poison(total, dtype=torch.float32) for _ in range(3)))
        work = head.allocate_workspace(vocabulary, total, device)
        head.predict_tokens(states, weight, rows, places, count, banned, work, found, length, setting.live(), noise)
        return tokens

    first = drawn()
    logits = (states @ weight.dequantized(setting.dtype).T).double()[0]
    logits[3] = -math.inf
    expected = torch.softmax(logits / 0.8, 0).cpu() * total
    counts = torch.bincount(first.long().cpu(), minlength=vocabulary).double()
    often = expected >= 5
    kinds = [torch.cat((part[often], part[~often].sum()[None])) for part in (counts, expected)]
    distance = float(((kinds[0] - kinds[1]).square() / kinds[1].clamp(min=1e-9)).sum())
    # The limit of chi-squared by Wilson and Hilferty that is exceeded once in 1,000 times.
    freedom = len(kinds[0]) - 1
    limit = freedom * (1 - 2 / (9 * freedom) + 3.09 * math.sqrt(2 / (9 * freedom))) ** 3
    well = torch.equal(first, drawn()) and float(counts[3]) == 0
    yield Check("samples", f"{total} of {vocabulary} tokens", distance / limit if well else math.inf)
