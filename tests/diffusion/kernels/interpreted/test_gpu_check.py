"""The checks of `make gpu-check`, here in the interpreter: they pass, and detect wrong kernels."""

import math
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "benchmarks"))

import gpu_check
import kernel_checks
import step_checks

SETTING = kernel_checks.Setting(torch.device("cpu"), torch.float32)


def test_all_checks_pass_on_correct_kernels():
    torch.manual_seed(0)
    found = list(gpu_check.small_checks(SETTING.device, SETTING.dtype))
    assert len(found) == 28
    assert not [check for check in found if not check.passed]


def small_config():
    from dataclasses import replace

    from evalharness.diffusion.kernels.shapes import QWEN_05B

    return replace(QWEN_05B, **gpu_check.SMALL)


def off_by_a_little(partials, live):
    partials *= 1.001 if live.item() else 1


def one_row_missing(partials, live):
    partials[:, -1] = math.nan


def another_time_otherwise(partials, live):
    partials += torch.rand(1).item() * 1e-6 if live.item() else 0


def idle_writes(partials, live):
    if not live.item():
        partials.zero_()


@pytest.mark.parametrize("spoil", [off_by_a_little, one_row_missing, another_time_otherwise, idle_writes])
def test_wrong_products_are_detected(spoil, monkeypatch):
    product = kernel_checks.gemm.split_matmul

    def wrong(x, weight, partials, live):
        product(x, weight, partials, live)
        spoil(partials, live)

    monkeypatch.setattr(kernel_checks.gemm, "split_matmul", wrong)
    checks = kernel_checks.check_products(SETTING, small_config(), 3, "network")
    assert [check.passed for check in checks] == [False, False, False, True]


def test_diverging_decoding_is_detected():
    def rows(*texts):
        made = [step_checks.make_row([5], 9) for _ in texts]
        for row, text in zip(made, texts, strict=True):
            row.output[:] = text
        return made

    same = rows([1, 2, 3, 4], [5, 6])
    assert step_checks.disagreement(same, rows([1, 2, 3, 4], [5, 6])) == 0
    assert step_checks.disagreement(same, rows([1, 9, 8, 7], [5, 6])) == 1 / 4
    assert step_checks.disagreement(same, rows([1, 2, 3], [5, 6])) == 1 / 5
