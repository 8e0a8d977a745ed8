"""Selection of the kernels."""

import subprocess
import sys
from typing import Any

import pytest
import torch

from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.drafting.config import DrafterConfig
from evalharness.diffusion.kernels.select import (
    KernelSelection,
    find_unsupported_drafter_feature,
    select_kernels,
    why_fused_kernels_are_unsupported,
)
from evalharness.diffusion.network import Transformer
from evalharness.errors import UserError

SHAPE = {
    "vocab_size": 128, "hidden": 128, "layers": 1, "heads": 2, "kv_heads": 1, "head_dim": 64, "intermediate": 192,
    "mask_id": 0, "end_id": 1, "pad_id": 2,
}  # fmt: skip


def network(dtype: torch.dtype = torch.bfloat16, **changes: object) -> Transformer:
    return Transformer(ModelConfig(**SHAPE | changes)).to(dtype)  # type: ignore[arg-type]


class OnDevice:
    """The parts of a network on a GPU that `why_fused_kernels_are_unsupported` reads."""

    def __init__(self, model: Transformer) -> None:
        self.config = model.config
        self.embed = type("Embedding", (), {"weight": Weight(model.embed.weight.dtype)})


class Weight:
    device = torch.device("cuda", 0)

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


def test_on_a_cpu_auto_selects_torch_and_fused_is_refused() -> None:
    model = network()
    assert select_kernels("auto", model) == KernelSelection("torch", why_fused_kernels_are_unsupported(model))
    assert "device cpu" in why_fused_kernels_are_unsupported(model)
    with pytest.raises(UserError, match=r"kernels=fused cannot be used: the fused kernels need .*use kernels=auto"):
        select_kernels("fused", model)


@pytest.mark.parametrize(
    ("dtype", "changes", "reason"),
    [
        (torch.float32, {}, "in float32"),
        (torch.bfloat16, {"head_dim": 32}, "have 32"),
        (torch.bfloat16, {"intermediate": 200}, "intermediate size is 200"),
        (torch.bfloat16, {}, ""),
    ],
)
def test_unsupported_networks_are_named(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, changes: dict[str, object], reason: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    found = why_fused_kernels_are_unsupported(OnDevice(network(dtype, **changes)))  # type: ignore[arg-type]
    assert reason in found
    assert bool(found) == bool(reason)


@pytest.mark.parametrize(
    ("rank", "changes", "reason"),
    [
        (128, {"head_dim": 32}, "heads of 32 dimensions"),
        (128, {"intermediate": 200}, "intermediate size of 200"),
        (100, {}, "Markov head of rank 100"),
        (128, {}, ""),
    ],
)
def test_unsupported_drafters_are_named(rank: int, changes: dict[str, Any], reason: str) -> None:
    config = DrafterConfig(ModelConfig(**SHAPE | changes), (0,), block=4, rank=rank)
    assert reason in find_unsupported_drafter_feature(config)
    assert bool(find_unsupported_drafter_feature(config)) == bool(reason)


def test_bidirectional_networks_use_the_kernels_only_on_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    whole: Any = OnDevice(network(attention="bidirectional"))
    selection = select_kernels("auto", whole)
    assert (selection.name, "whole canvas" in selection.reason) == ("torch", True)
    assert select_kernels("fused", whole).name == select_kernels("auto", whole, "fp8").name == "fused"
    assert select_kernels("auto", OnDevice(network())).name == "fused"  # type: ignore[arg-type]


def test_other_gpus_are_refused_by_their_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
    with pytest.raises(UserError, match=r"the GPU has 8\.0"):
        select_kernels("fused", OnDevice(network()))  # type: ignore[arg-type]


def test_triton_is_not_imported_for_other_devices() -> None:
    code = (
        "import sys; from evalharness.diffusion import autoregression, decoding; "
        "from evalharness.diffusion.kernels import select; sys.exit('triton' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
