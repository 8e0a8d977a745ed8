"""Each kernel of a layer and of the head against the same in double precision, at a network's shapes.

What kernels write is NaN before, so that what they leave out is found, and so is what they read of it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.kernels import attention, gemm, head, mlp, norm, qkv
from evalharness.diffusion.kernels.fp8 import Matrix, empty_fp8, quantize, quantize_rows
from evalharness.diffusion.kernels.kernel_options import WeightFormat

SUM = 1e-5
"""Rounding of sums in single precision, as a fraction of the sum of all magnitudes."""

NARROW_SUM = 2.0**-11
"""The same for sums of products of 8-bit floats, which the matrix unit keeps to some 14 bits between steps."""


@dataclass(frozen=True)
class Check:
    """What was checked, and the largest error as a multiple of what rounding explains."""

    name: str
    shape: str
    error: float

    @property
    def passed(self) -> bool:
        """Whether rounding explains it; an error that is no number is none that it does."""
        return self.error <= 1


@dataclass(frozen=True)
class Place:
    """Where kernels run, and on what."""

    device: torch.device
    dtype: torch.dtype

    @property
    def eps(self) -> float:
        """The step from 1 to the next number."""
        return torch.finfo(self.dtype).eps

    def random(self, *shape: int) -> Tensor:
        """Normally distributed, in the place's precision; seeded by what was drawn before."""
        return torch.randn(shape, device=self.device, dtype=torch.float32).to(self.dtype)

    def poison(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """All NaN."""
        return torch.full(shape, math.nan, device=self.device, dtype=dtype or self.dtype)

    def live(self, count: int = 1) -> Tensor:
        """How many sequences are not done."""
        return torch.full((1,), count, device=self.device, dtype=torch.int32)


def worst(found: Tensor, exact: Tensor, bound: Tensor | float) -> float:
    """The largest error as a multiple of its bound; infinite where something is no number."""
    error = (found.double() - exact).abs() / bound
    return float(error.nan_to_num(nan=math.inf).max())


def make_weight(place: Place, width: int, inner: int, fp8: bool) -> Matrix:
    """Weights that keep the size of what they are multiplied with."""
    values = place.random(width, inner) / math.sqrt(inner)
    return quantize(values) if fp8 else Matrix(values)


def make_rows(place: Place, rows: int, inner: int, weights: WeightFormat) -> tuple[Tensor | Matrix, Tensor]:
    """Activations as the products take them, and the same in double precision."""
    x = place.random(rows, inner)
    if weights != "fp8-w8a8":
        return x, x.double()
    narrowed = quantize(x)
    return narrowed, narrowed.dense(torch.float64)


def check_products(place: Place, config: ModelConfig, rows: int, weights: WeightFormat) -> Iterator[Check]:
    """The products of a layer; twice the same to the bit; and nothing written where all sequences are done."""
    queries, fp8 = config.heads * config.head_dim, weights != "network"
    rounding = NARROW_SUM if weights == "fp8-w8a8" else SUM
    shapes = {
        "qkv": (queries + 2 * config.kv_heads * config.head_dim, config.hidden),
        "out": (config.hidden, queries),
        "down": (config.hidden, config.intermediate),
    }
    for name, (width, inner) in shapes.items():
        (x, exact), weight = make_rows(place, rows, inner, weights), make_weight(place, width, inner, fp8)
        dense = weight.dense(torch.float64)
        splits = gemm.plan(width, inner, rows, fp8).splits
        partials, again = (place.poison(splits, rows, width, dtype=torch.float32) for _ in range(2))
        gemm.product(x, weight, partials, place.live())
        gemm.product(x, weight, again, place.live())
        error = worst(partials.double().sum(0), exact @ dense.T, rounding * (exact.abs() @ dense.abs().T))
        same = torch.equal(partials, again)
        gemm.product(x, weight, again.fill_(math.nan), place.live(0))
        idle = bool(again.isnan().all())
        shape = f"{rows} x {width} x {inner}, {weights}"
        yield Check(f"product {name}", shape, error if same and idle else math.inf)
    (x, exact), weight = (
        make_rows(place, rows, config.hidden, weights),
        make_weight(place, 2 * config.intermediate, config.hidden, fp8),
    )
    out = place.poison(rows, config.intermediate)
    mlp.gate_up(x, weight, out, place.live())
    dense = weight.dense(torch.float64)
    gate, up = (exact @ dense.T).chunk(2, dim=-1)
    # Gate, up, the activation and the product are each rounded.
    bound = 2 * place.eps * (gate * up).abs() + SUM
    if weights == "fp8-w8a8":
        of_gate, of_up = (rounding * (exact.abs() @ dense.abs().T)).chunk(2, dim=-1)
        # SiLU is nowhere steeper than 1.1.
        bound = bound + 1.1 * of_gate * (up.abs() + of_up) + of_up * F.silu(gate).abs()
    shape = f"{rows} x 2 x {config.intermediate} x {config.hidden}, {weights}"
    yield Check("gate and up", shape, worst(out, F.silu(gate) * up, bound))


def check_narrow(place: Place, rows: int, inner: int) -> Iterator[Check]:
    """Activations as 8-bit floats: the scale to the bit, the values within half a step of such a float."""
    x = place.random(rows, inner)
    room = empty_fp8(rows, inner, place.device)
    assert room.scale is not None
    room.values.view(torch.uint8).fill_(0x7F)
    room.scale.fill_(math.nan)
    quantize_rows(x, room, place.live())
    expected = quantize(x).scale
    assert expected is not None
    bound = torch.maximum(x.double().abs() / 16, room.scale.double()[:, None] / 1024) * 1.0001
    error = worst(room.dense(torch.float32), x.double(), bound)
    yield Check("8-bit rows", f"{rows} x {inner}", error if torch.equal(room.scale, expected) else math.inf)


def check_norms(place: Place, config: ModelConfig, rows: int) -> Iterator[Check]:
    """Embedding with norm, and the end of a product with residual and norm."""
    hidden, eps, shape = config.hidden, config.norm_eps, f"{rows} x {config.hidden}"
    table, gain = place.random(300, hidden), place.random(hidden)
    tokens = torch.randint(0, 300, (rows,), device=place.device, dtype=torch.int32)
    residual, normed = place.poison(rows, hidden), place.poison(rows, hidden)
    norm.embed_and_norm(tokens, table, gain, eps, residual, normed, place.live())
    same = torch.equal(residual, table[tokens.long()])
    exact = F.rms_norm(residual.double(), (hidden,), gain.double(), eps)
    yield Check("embedding, norm", shape, worst(normed, exact, place.eps * exact.abs() + SUM) if same else math.inf)

    partials, before = torch.randn(5, rows, hidden, device=place.device), place.random(rows, hidden)
    residual, normed = before.clone(), place.poison(rows, hidden)
    norm.add_and_norm(partials, residual, gain, eps, normed, place.live())
    added = partials.double().sum(0)
    after = before.double() + added
    bound = place.eps * (added.abs() + after.abs()) + SUM
    exact = F.rms_norm(residual.double(), (hidden,), gain.double(), eps)
    error = max(worst(residual, after, bound), worst(normed, exact, place.eps * exact.abs() + SUM))
    yield Check("residual, norm", shape, error)


def check_qkv(place: Place, config: ModelConfig, sequences: int, size: int) -> Iterator[Check]:
    """Bias, norm of heads, RoPE and the write to the cache; other slots stay as they are."""
    rows, width, capacity = sequences * size, config.head_dim, 2 * size + 40
    columns = (config.heads + 2 * config.kv_heads) * width
    partials = torch.randn(3, rows, columns, device=place.device)
    bias = place.random(columns) if config.qkv_bias else None
    q_gain, k_gain = (place.random(width) if config.qk_norm else None for _ in range(2))
    table = qkv.rotation_table(config, capacity, place.dtype, place.device)
    starts = torch.arange(sequences, device=place.device)[:, None] * 3
    positions = (starts + torch.arange(size, device=place.device)).flatten().int()
    positions[-1] = -1
    queries = place.poison(rows, config.heads * width)
    keys, values = (place.poison(sequences, config.kv_heads, capacity, width) for _ in range(2))
    qkv.finish_qkv(
        partials, bias, q_gain, k_gain, config.norm_eps, table, positions, queries, keys, values, place.live()
    )
    expected = qkv.finish_qkv_reference(
        partials, bias, q_gain, k_gain, config.norm_eps, table, positions,
        kv_heads=config.kv_heads, head_dim=width, dtype=place.dtype,
    )  # fmt: skip
    real = positions >= 0
    rows_of = torch.arange(rows, device=place.device)[real] // size
    slots = positions[real].long()
    pairs = [(queries.view(rows, config.heads, width), expected[0])]
    pairs += [(cache[rows_of, :, slots], part[real]) for cache, part in zip((keys, values), expected[1:], strict=True)]
    error = max(
        worst(found, exact.double(), 2 * place.eps * exact.double().abs().amax(-1, keepdim=True) + SUM)
        for found, exact in pairs
    )
    written = int(keys.isfinite().all(dim=(1, 3)).sum() + values.isfinite().all(dim=(1, 3)).sum())
    untouched = written == 2 * int(real.sum())
    yield Check("bias, RoPE, cache", f"{rows} x {columns}", error if untouched else math.inf)


def check_attention(place: Place, config: ModelConfig, sequences: int, size: int, capacity: int) -> Iterator[Check]:
    """Attention with limits of each row's own; what lies behind them is NaN."""
    rows, width, kv_heads = sequences * size, config.head_dim, config.kv_heads
    queries = place.random(rows, config.heads * width)
    keys, values = place.random(2, sequences, kv_heads, capacity, width)
    limits = torch.randint(0, capacity, (rows,), device=place.device, dtype=torch.int32)
    behind = torch.arange(capacity, device=place.device) > limits.view(sequences, size).amax(1, keepdim=True)
    hidden = behind[:, None, :, None]
    pieces = attention.choose_splits(capacity, sequences, kv_heads, size, config.heads // kv_heads)
    parts = place.poison(pieces, rows, config.heads, width, dtype=torch.float32)
    logs = place.poison(pieces, rows, config.heads, dtype=torch.float32)
    seen = place.poison(rows, config.heads * width)
    poisoned_keys, poisoned_values = (cache.masked_fill(hidden, math.nan) for cache in (keys, values))
    attention.attend(queries, poisoned_keys, poisoned_values, limits, parts, logs, seen, place.live())
    exact = attention.attend_reference(queries.double(), keys.double(), values.double(), limits)
    bound = 2 * place.eps * float(values.abs().max()) + SUM
    shape = f"{sequences} x {size} tokens, {capacity} slots"
    yield Check("attention", shape, worst(seen, exact, bound))


def check_head(place: Place, config: ModelConfig, rows: int, fp8: bool) -> Iterator[Check]:
    """Statistics over the vocabulary of some of the rows, some tokens being banned."""
    states, weight = place.random(rows, config.hidden), make_weight(place, config.vocab_size, config.hidden, fp8)
    wanted = max(1, rows - 3)
    banned = torch.tensor([config.mask_id, 7], device=place.device, dtype=torch.int32)
    order = torch.randperm(rows, device=place.device).int()
    places = torch.randperm(rows, device=place.device).int()
    figures = (place.poison(rows, dtype=torch.float32) for _ in range(3))
    found = head.Statistics(torch.full((rows,), -1, device=place.device, dtype=torch.int32), *figures)
    space = head.workspace(config.vocab_size, rows, place.device)
    count = torch.tensor([wanted], device=place.device, dtype=torch.int32)
    head.predict(states, weight, order, places, count, banned, space, found, rows, place.live())

    at, row = places[:wanted].long(), order[:wanted].long()
    logits = states[row].double() @ weight.dense(torch.float64).T
    # A logit may be rounded to either side: so far apart may two be that are compared.
    step = place.eps * float(logits.abs().max()) + 20 * SUM
    logits[:, banned.long()] = -math.inf
    top = found.proposed[at].long()
    logs = logits.log_softmax(dim=-1)
    second = logs.scatter(1, top[:, None], -math.inf).amax(dim=-1)
    entropy = torch.special.entr(logs.exp()).sum(dim=-1)
    errors = (
        (logits.amax(dim=-1) - logits.gather(1, top[:, None])[:, 0]) / step,
        (found.probability[at].double().log() - logs.gather(1, top[:, None])[:, 0]).abs() / (2 * step),
        (found.second[at].double().log() - second).abs() / (2 * step),
        (found.entropy[at].double() - entropy).abs() / (step * (1 + entropy)),
    )
    error = max(float(each.nan_to_num(nan=math.inf).max()) for each in errors)
    left = torch.ones(rows, dtype=torch.bool, device=place.device).scatter(0, at, False)
    untouched = bool(found.probability[left].isnan().all())
    yield Check("head", f"{wanted} of {rows} x {config.vocab_size} x {config.hidden}", error if untouched else math.inf)


def check_draws(place: Place, sequences: int, length: int) -> Iterator[Check]:
    """Tokens drawn of a small vocabulary: as often as their probabilities say, and by the seeds alone."""
    vocabulary, hidden, total = 30, 64, sequences * length
    weight = Matrix(2 * place.random(vocabulary, hidden) / math.sqrt(hidden))
    states, device = place.random(1, hidden), place.device
    seeds = torch.randint(0, 2**62, (sequences,), device=device)
    noise = head.Noise(0.8, seeds, torch.arange(sequences, device=device, dtype=torch.int32) * 1000)
    rows, places = torch.zeros(total, dtype=torch.int32, device=device), torch.arange(total, device=device).int()
    banned = torch.tensor([3], dtype=torch.int32, device=device)
    count = torch.tensor([total], dtype=torch.int32, device=device)

    def drawn() -> Tensor:
        tokens = torch.full((total,), -1, dtype=torch.int32, device=device)
        found = head.Statistics(tokens, *(place.poison(total, dtype=torch.float32) for _ in range(3)))
        space = head.workspace(vocabulary, total, device)
        head.predict(states, weight, rows, places, count, banned, space, found, length, place.live(), noise)
        return tokens

    first = drawn()
    logits = (states @ weight.dense(place.dtype).T).double()[0]
    logits[3] = -math.inf
    expected = torch.softmax(logits / 0.8, 0).cpu() * total
    counts = torch.bincount(first.long().cpu(), minlength=vocabulary).double()
    often = expected >= 5
    kinds = [torch.cat((part[often], part[~often].sum()[None])) for part in (counts, expected)]
    distance = float(((kinds[0] - kinds[1]).square() / kinds[1].clamp(min=1e-9)).sum())
    # Of chi-squared, by Wilson and Hilferty: what is exceeded once in 1,000 times.
    freedom = len(kinds[0]) - 1
    limit = freedom * (1 - 2 / (9 * freedom) + 3.09 * math.sqrt(2 / (9 * freedom))) ** 3
    well = torch.equal(first, drawn()) and float(counts[3]) == 0
    yield Check("draws", f"{total} of {vocabulary} tokens", distance / limit if well else math.inf)
