"""The machine code of a layer's kernels, compiled for Hopper at the shapes of real networks."""

from functools import partial

import pytest
import torch

pytest.importorskip("triton", reason="Triton is not available on this system")

from helpers.kernel_gate import Binary, binaries, faults

from evalharness.diffusion.kernels import gemm, mlp, norm, qkv
from evalharness.diffusion.kernels.fp8 import FP8, Matrix, allocate_fp8_matrix, quantize_rows
from evalharness.diffusion.kernels.shapes import MODELS

BF16 = torch.bfloat16
BOTH = pytest.mark.parametrize("fp8", [False, True], ids=["bf16", "fp8"])


def empty(*shape: int, dtype: torch.dtype = BF16) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


LIVE = empty(1, dtype=torch.int32)


def make_weight(width: int, inner: int, fp8: bool) -> Matrix:
    if fp8:
        return Matrix(empty(width, inner, dtype=FP8), empty(width, dtype=torch.float32))
    return Matrix(empty(width, inner))


def wide_loads(binary: Binary) -> int:
    return binary.sass.count("LDGSTS.E.BYPASS.128")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rows", [16, 32, 128])
@BOTH
def test_products_use_the_matrix_unit(name, rows, fp8):
    config = MODELS[name]
    queries = config.heads * config.head_dim
    shapes = [
        (queries + 2 * config.kv_heads * config.head_dim, config.hidden),
        (config.hidden, queries),
        (config.hidden, config.intermediate),
    ]
    found = []
    for width, inner in shapes:
        partials = empty(gemm.plan_matmul_tiling(width, inner, rows, fp8).splits, rows, width, dtype=torch.float32)
        found += binaries(
            partial(gemm.split_matmul, empty(rows, inner), make_weight(width, inner, fp8), partials, LIVE)
        )
    weight = make_weight(2 * config.intermediate, config.hidden, fp8)
    out = empty(rows, config.intermediate)
    found += binaries(lambda: mlp.gate_up(empty(rows, config.hidden), weight, out, LIVE))
    for binary in found:
        assert not faults(binary, matrix=True)
        assert binary.fit(2 if rows <= 32 else 1), "fewer programs at a time than the plan counts on"
        prefetched, waits = binary.sass.find("CCTL.E.PF2"), binary.sass.find("ACQBULK")
        assert 0 < prefetched < waits, "waits for the kernel before without having asked for weights"
        assert wide_loads(binary) > 0, "no asynchronous loads of 16 bytes"
        assert "F2F.BF16.F16" not in binary.sass, "weights are converted by the unit for rare operations"


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rows", [32, 256])
def test_products_of_eight_bit_operands_use_the_eight_bit_matrix_unit(name, rows):
    config = MODELS[name]
    queries, hidden = config.heads * config.head_dim, config.hidden
    found = []
    for width, inner in [(queries + 2 * config.kv_heads * config.head_dim, hidden), (hidden, config.intermediate)]:
        x, weight = allocate_fp8_matrix(rows, inner, "meta"), make_weight(width, inner, fp8=True)
        partials = empty(gemm.plan_matmul_tiling(width, inner, rows, fp8=True).splits, rows, width, dtype=torch.float32)
        found += binaries(partial(gemm.split_matmul, x, weight, partials, LIVE))
    x, weight = allocate_fp8_matrix(rows, hidden, "meta"), make_weight(2 * config.intermediate, hidden, fp8=True)
    out = empty(rows, config.intermediate)
    found += binaries(partial(mlp.gate_up, x, weight, out, LIVE))
    for binary in found:
        assert not faults(binary, matrix=True)
        assert binary.fit(1)
        assert "QGMMA.64x" in binary.sass
        assert "HGMMA" not in binary.sass, "widens what the matrix unit takes as it is"
        # Sums with 14 bits are added up in float32 in each step: a whole tile.
        per_step = binary.sass.count("QGMMA") // 4
        assert binary.sass.count("FADD") >= per_step * 16, "adds up all of the inner dimension to some 14 bits"
        assert wide_loads(binary) > 0, "no asynchronous loads of 16 bytes"
    (binary,) = binaries(lambda: quantize_rows(out, allocate_fp8_matrix(rows, config.intermediate, "meta"), LIVE))
    assert not faults(binary, matrix=False)
    assert "F2FP.SATFINITE.E4M3" in binary.sass


@pytest.mark.parametrize("name", MODELS)
def test_norms_and_rotation_do_not_spill_registers(name):
    config = MODELS[name]
    hidden, head_dim, half = config.hidden, config.head_dim, config.rotary_dims // 2
    queries, keys = config.heads * head_dim, empty(1, config.kv_heads, 2048, head_dim)
    width = queries + 2 * config.kv_heads * head_dim
    row, gain = empty(32, hidden), empty(hidden)
    bias = empty(width) if config.qkv_bias else None
    gains = [empty(head_dim) if config.qk_norm else None] * 2
    splits = gemm.plan_matmul_tiling(width, hidden, 32).splits
    table, positions = (empty(2048, half), empty(2048, half)), empty(32, dtype=torch.int32)

    def layer() -> None:
        norm.embed_and_norm(positions, empty(config.vocab_size, hidden), gain, 1e-6, row, row, LIVE)
        norm.add_and_norm(empty(splits, 32, hidden, dtype=torch.float32), row, gain, 1e-6, row, LIVE)
        partials = empty(splits, 32, width, dtype=torch.float32)
        qkv.rope_and_cache(partials, bias, *gains, 1e-6, table, positions, empty(32, queries), keys, keys, LIVE)

    for binary in binaries(layer):
        assert not faults(binary, matrix=False)
        assert "ACQBULK" in binary.sass, "does not wait for the kernel before"


def test_faults_are_found_in_bad_machine_code():
    kept = Binary("x", "HGMMA.64x32x16.F32.BF16 R24, gdesc[UR4]", 40, 1000, 0, 128)
    assert not faults(kept, matrix=True)
    for sass, stack, shared, told in [
        ("FFMA R1, R2, R3, R4", 0, 0, "not used"), ("HMMA.16816.F32.BF16 R4, R4", 0, 0, "older devices"),
        ("HGMMA STL.64 [R1], R2", 0, 0, "spilled"), ("HGMMA", 8, 0, "spilled"), ("HGMMA", 0, 240_000, "at most"),
    ]:  # fmt: skip
        assert told in " ".join(faults(Binary("x", sass, 40, shared, stack, 128), matrix=True))
