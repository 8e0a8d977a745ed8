"""Optimizers, the learning-rate schedule, and the exponential moving average of the weights."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from evalharness.diffusion.network import Transformer
from evalharness.training.recipe import OptimizerSettings, Recipe


def make_optimizers(model: Transformer, settings: OptimizerSettings) -> list[torch.optim.Optimizer]:
    """Returns the optimizers of a training run: AdamW, or Muon for the layers' matrices and AdamW for the rest.

    Muon's updates are scaled to the size of AdamW's.
    """
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and name.startswith("layers.")]
    matrix_ids = {id(parameter) for parameter in matrices}
    others = [parameter for parameter in model.parameters() if id(parameter) not in matrix_ids]
    if settings.kind == "adamw":
        groups: list[dict[str, Any]] = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
        return [torch.optim.AdamW(groups, lr=settings.rate, betas=(0.9, 0.95), weight_decay=settings.decay)]
    muon = torch.optim.Muon(
        matrices, lr=settings.matrix_rate, weight_decay=settings.decay, adjust_lr_fn="match_rms_adamw"
    )
    return [muon, torch.optim.AdamW(others, lr=settings.rate, betas=(0.9, 0.95), weight_decay=0.0)]


def learning_rate_factor(recipe: Recipe, step: int, completed_fraction: float) -> float:
    """Returns the factor by which to multiply the learning rate: linear warm-up, constant, linear decay to zero.

    Warm-up depends on the number of the `step`, decay on the `completed_fraction` of the run from 0 to 1.
    """
    settings = recipe.optimizer
    up = min(1.0, (step + 1) / settings.warm_up) if settings.warm_up else 1.0
    down = min(1.0, (1.0 - completed_fraction) / settings.cool_down) if settings.cool_down else 1.0
    return up * max(0.0, down)


class WeightAverage:
    """The exponential moving average (EMA) of a network's parameters, in float32.

    Its decay is smaller in the first steps, so that the initial values soon lose their weight.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], decay: float) -> None:
        self.decay, self.count = decay, 0
        self.values: list[Tensor] = [parameter.detach().clone().float() for parameter in parameters]

    @torch.no_grad()
    def update(self, parameters: Iterable[nn.Parameter]) -> None:
        """Updates the average with the `parameters` after an optimizer step."""
        self.count += 1
        keep = min(self.decay, self.count / (self.count + 10))
        torch._foreach_lerp_(self.values, [parameter.detach().float() for parameter in parameters], 1 - keep)

    @torch.no_grad()
    def swap_with(self, parameters: Iterable[nn.Parameter]) -> None:
        """Exchanges the averaged values with the values of the network's `parameters`; a second call undoes this."""
        for value, parameter in zip(self.values, parameters, strict=True):
            current = parameter.detach().clone()
            parameter.copy_(value)
            value.copy_(current)
