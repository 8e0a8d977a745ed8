"""A packed network computes the same logits."""

import pytest
import torch
from helpers.tiny_network import tiny_model

from evalharness.diffusion.packing import PackedLinear, can_pack, pack


@pytest.mark.parametrize("tied", [True, False])
def test_packing_does_not_change_logits(tied: bool) -> None:
    model = tiny_model(tied=tied)
    assert not can_pack(model)
    model.to(torch.bfloat16)
    if not can_pack(model):
        pytest.skip("this CPU or PyTorch cannot pack bfloat16 matrices")
    count, names = sum(p.numel() for p in model.parameters()), list(model.state_dict())
    given = [(torch.randint(3, 40, (rows, size)), torch.arange(size)[None]) for rows, size in ((1, 1), (1, 32), (3, 7))]
    with torch.inference_mode():
        before = [model.logits(model(*each)) for each in given]
        pack(model)
        after = [model.logits(model(*each)) for each in given]
    assert sum(isinstance(module, PackedLinear) for module in model.modules()) == 4 * 2 + 1
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert sum(p.numel() for p in model.parameters()) == count
    assert list(model.state_dict()) == names
