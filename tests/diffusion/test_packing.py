"""A packed network computes the same logits."""

import pytest
import torch
from helpers.tiny_network import tiny_model

from evalharness.diffusion import packing
from evalharness.diffusion.packing import PackedLinear, can_pack_linear_layers, pack_linear_layers


@pytest.mark.parametrize("tied", [True, False])
def test_packing_does_not_change_logits(tied: bool) -> None:
    model = tiny_model(tied=tied).to(torch.bfloat16)
    if not can_pack_linear_layers(model):
        pytest.skip("this CPU or PyTorch cannot pack bfloat16 matrices")
    count, names = sum(p.numel() for p in model.parameters()), list(model.state_dict())
    given = [(torch.randint(3, 40, (rows, size)), torch.arange(size)[None]) for rows, size in ((1, 1), (1, 32), (3, 7))]
    with torch.inference_mode():
        before = [model.logits(model(*each)) for each in given]
        pack_linear_layers(model)
        after = [model.logits(model(*each)) for each in given]
    assert sum(isinstance(module, PackedLinear) for module in model.modules()) == 4 * 2 + 1
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert sum(p.numel() for p in model.parameters()) == count
    assert list(model.state_dict()) == names


def test_in_float32_only_large_matrices_are_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "LARGE", 40 * 32)
    model = tiny_model(intermediate=19)
    assert can_pack_linear_layers(model)
    assert not can_pack_linear_layers(tiny_model().to(torch.float64))
    tokens, positions = torch.randint(3, 40, (3, 7)), torch.arange(7)[None]
    with torch.inference_mode():
        before = model.logits(model(tokens, positions))
        pack_linear_layers(model)
        after = model.logits(model(tokens, positions))
    packed = [name for name, module in model.named_modules() if isinstance(module, PackedLinear)]
    assert packed == ["layers.0.qkv", "layers.1.qkv", "head"]
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)
