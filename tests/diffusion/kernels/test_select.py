"""Which kernels are taken."""

import subprocess
import sys
from typing import Any

import pytest
import torch

from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.kernels.select import KernelSelection, find_obstacle, select_kernels
from evalharness.diffusion.network import Transformer
from evalharness.errors import UserError

SHAPE = {
    "vocab_size": 128, "hidden": 128, "layers": 1, "heads": 2, "kv_heads": 1, "head_dim": 64, "intermediate": 192,
    "mask_id": 0, "end_id": 1, "pad_id": 2,
}  # fmt: skip


def network(dtype: torch.dtype = torch.bfloat16, **changes: object) -> Transformer:
    return Transformer(ModelConfig(**SHAPE | changes)).to(dtype)  # type: ignore[arg-type]


class OnDevice:
    """What `find_obstacle` looks at of a network on a GPU."""

    def __init__(self, model: Transformer) -> None:
        self.config = model.config
        self.embed = type("Embedding", (), {"weight": Weight(model.embed.weight.dtype)})


class Weight:
    device = torch.device("cuda", 0)

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


def test_on_a_cpu_auto_is_torch_and_fused_is_refused() -> None:
    model = network()
    assert select_kernels("auto", model) == KernelSelection("torch", find_obstacle(model))
    assert "device cpu" in find_obstacle(model)
    with pytest.raises(UserError, match=r"kernels=fused: the fused kernels need a Hopper GPU.*use kernels=auto"):
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
def test_what_a_gpu_does_not_take_is_said(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, changes: dict[str, object], reason: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    found = find_obstacle(OnDevice(network(dtype, **changes)))  # type: ignore[arg-type]
    assert reason in found
    assert bool(found) == bool(reason)


def test_a_network_without_a_cache_is_decoded_by_the_kernels_where_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    whole: Any = OnDevice(network(attention="bidirectional"))
    choice = select_kernels("auto", whole)
    assert (choice.name, "whole canvas" in choice.reason) == ("torch", True)
    assert select_kernels("fused", whole).name == select_kernels("auto", whole, "fp8").name == "fused"
    assert select_kernels("auto", OnDevice(network())).name == "fused"  # type: ignore[arg-type]


def test_another_gpu_is_refused_by_its_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
    with pytest.raises(UserError, match=r"the GPU has 8\.0"):
        select_kernels("fused", OnDevice(network()))  # type: ignore[arg-type]


def test_nothing_of_triton_is_imported_where_it_is_not_used() -> None:
    code = (
        "import sys; from evalharness.diffusion import autoregression, decoding; "
        "from evalharness.diffusion.kernels import select; sys.exit('triton' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
