"""Records the hidden states of some layers (`taps`) in a target's forward passes, as input of a drafter."""

from collections.abc import Callable, Sequence
from types import TracebackType

import torch
from torch import Tensor, nn

from evalharness.diffusion.network import RowPacking, Transformer


class HiddenStateRecorder:
    """A context manager that records hidden states in a network's forward passes, and keeps those of the latest pass.

    It records the outputs of the layers whose numbers (from 0) are in `taps`.
    """

    def __init__(self, model: Transformer, taps: Sequence[int]) -> None:
        self._layers = [model.layers[tap] for tap in taps]
        self._states: list[Tensor | None] = [None] * len(taps)
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> "HiddenStateRecorder":
        self._hooks = [
            layer.register_forward_hook(self._make_recording_hook(position))
            for position, layer in enumerate(self._layers)
        ]
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        for hook in self._hooks:
            hook.remove()

    @property
    def states(self) -> Tensor:
        """The hidden states recorded in the latest forward pass, concatenated over layers, [rows, T, taps * hidden]."""
        return torch.cat([state for state in self._states if state is not None], dim=-1)

    def _make_recording_hook(self, tap_number: int) -> Callable[[nn.Module, tuple[object, ...], Tensor], None]:
        def record_state(_: nn.Module, arguments: tuple[object, ...], output: Tensor) -> None:
            packing = next((argument for argument in arguments if isinstance(argument, RowPacking)), None)
            self._states[tap_number] = output if packing is None else packing.pad(output)

        return record_state
