"""Records hidden states of some layers (taps) during a target's forward passes."""

from collections.abc import Callable, Sequence
from types import TracebackType

import torch
from torch import Tensor, nn

from evalharness.diffusion.network import RowPacking, Transformer


class TapRecorder:
    """A context that records hidden states during forward passes of a network, and keeps those of the latest pass.

    Recorded are the states after the layers with the numbers `taps`.
    """

    def __init__(self, model: Transformer, taps: Sequence[int]) -> None:
        self._layers = [model.layers[tap] for tap in taps]
        self._states: list[Tensor | None] = [None] * len(taps)
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> "TapRecorder":
        self._hooks = [
            layer.register_forward_hook(self._recording_hook(place)) for place, layer in enumerate(self._layers)
        ]
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        for hook in self._hooks:
            hook.remove()

    @property
    def states(self) -> Tensor:
        """The recorded hidden states [rows, T, taps * hidden] of the latest pass; taps are the recorded layers."""
        return torch.cat([state for state in self._states if state is not None], dim=-1)

    def _recording_hook(self, place: int) -> Callable[[nn.Module, tuple[object, ...], Tensor], None]:
        def keep(_: nn.Module, arguments: tuple[object, ...], output: Tensor) -> None:
            packing = next((argument for argument in arguments if isinstance(argument, RowPacking)), None)
            self._states[place] = output if packing is None else packing.pad(output)

        return keep
