"""Continuous batching: a batch that rows (sequences) join and leave at any forward pass."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Hashable, Iterator, Sequence

import torch

from evalharness.diffusion.drafting.taps import HiddenStateRecorder
from evalharness.diffusion.forward import RowInput, forward_rows
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import record_output_times
from evalharness.diffusion.serving.cache import GrowingCache
from evalharness.diffusion.serving.decoder import Decoder

PREFILL_TOKENS = 256
"""Prompt tokens computed between two forward passes of the running rows, so that a long prompt does not stop them
(chunked prefill).
"""


class ContinuousBatch:
    """Continuous batching: rows (sequences), each with its own settings, share one network's forward passes.

    A row's tokens do not depend on the other rows, apart from floating-point rounding. A batch must be used by one
    thread. Batches of the same network may run in different threads concurrently, unless they have `taps` (record
    hidden states).
    """

    def __init__(self, model: Transformer, taps: Sequence[int] = (), prefill_tokens: int = PREFILL_TOKENS) -> None:
        """`taps`: the layers whose hidden states a drafter needs."""
        self._model, self._prefill_tokens = model, prefill_tokens
        self._joining: deque[Decoder] = deque()
        self._prefilling: Decoder | None = None
        """The first of the joining rows, once it has a slot in the cache: the one after those of the running rows."""
        self._running: list[Decoder] = []
        self._starts: dict[Decoder, float] = {}
        weight = model.embed.weight
        self._cache: GrowingCache | None = None
        if model.config.attention != "bidirectional":
            self._cache = GrowingCache(model.config, weight.dtype, weight.device)
        self._taps = HiddenStateRecorder(model, taps) if taps else None
        if self._taps is not None:
            self._taps.__enter__()

    def close(self) -> None:
        """Ends the use of the batch: stops recording hidden states of the network (`taps`)."""
        if self._taps is not None:
            self._taps.__exit__(None, None, None)

    @property
    def size(self) -> int:
        """The number of rows in the batch, including those whose prompt is still being prefilled."""
        return len(self._starts)

    def add(self, decoder: Decoder, start_time: float | None = None) -> None:
        """Adds a decoder's row (sequence) to the batch.

        The row's times are counted from `start_time`, a `time.perf_counter()`; None is the time of the call.
        """
        self._starts[decoder] = time.perf_counter() if start_time is None else start_time
        self._joining.append(decoder)

    @torch.inference_mode()
    def remove(self, decoder: Decoder) -> None:
        """Removes a decoder's row from the batch, even if it has not ended. Does nothing if it is not in the batch."""
        if self._starts.pop(decoder, None) is None:
            return
        if decoder in self._joining:
            self._joining.remove(decoder)
            if decoder is self._prefilling:
                self._prefilling = None
                self._drop_last_cache_row()
            return
        last = len(self._running) - 1
        number = self._running.index(decoder)
        self._running[number] = self._running[last]
        self._running.pop()
        if self._cache is not None:
            if number < last:
                self._cache.copy_row(last, number)
            if self._prefilling is not None:
                self._cache.copy_row(last + 1, last)
        self._drop_last_cache_row()

    def _drop_last_cache_row(self) -> None:
        if self._cache is not None:
            self._cache.drop_last_row()

    @torch.inference_mode()
    def step(self) -> list[Decoder]:
        """Prefills a part of the waiting prompts, if any, and runs one forward pass over the rows that are decoding.

        Returns the decoders of these rows. Rows that have ended are removed from the batch.
        """
        for decoder in self._decoders_to_prefill():
            self._prefill(decoder)
        running = list(self._running)
        if running:
            self._run_forward_pass(running)
        for decoder in running:
            if decoder.row.ended:
                self.remove(decoder)
        return running

    def _decoders_to_prefill(self) -> Iterator[Decoder]:
        """Yields the decoders to prefill in this step, in order, until about `prefill_tokens` tokens are prefilled."""
        budget = self._prefill_tokens
        while self._joining and budget > 0:
            decoder = self._joining[0]
            before = decoder.row.cached
            yield decoder
            # The end of a prompt's prefill costs no pass.
            budget -= max(1, decoder.row.cached - before)

    def _prefill(self, decoder: Decoder) -> None:
        """Prefills a part of a row's prompt; a row whose whole prompt is prefilled joins the rows that are decoding."""
        if self._prefilling is None:
            self._prefilling = decoder
            if self._cache is not None:
                self._cache.add_row()
        row_input = decoder.next_prefill_input(self._prefill_tokens)
        if row_input is None:
            decoder.row.prefill_s = time.perf_counter() - self._starts[decoder]
            self._running.append(self._joining.popleft())
            self._prefilling = None
            return
        number = len(self._running)
        assert self._cache is not None
        self._cache.reserve_positions(row_input.start + len(row_input.tokens))
        forward_rows(self._model, [row_input], self._cache.view_rows(number, number + 1))
        if self._taps is not None:
            decoder.extend_drafter_context(self._taps.states, row_input.start)

    def _run_forward_pass(self, running: list[Decoder]) -> None:
        inputs = [decoder.next_input(self._model) for decoder in running]
        hidden = self._compute_hidden_states(inputs)
        states = self._taps.states if self._taps is not None else None
        groups: dict[Hashable, list[int]] = {}
        for number, decoder in enumerate(running):
            groups.setdefault(decoder.batch_key, []).append(number)
        for numbers in groups.values():
            decoders = [running[number] for number in numbers]
            part = hidden if len(numbers) == len(running) else hidden[torch.tensor(numbers, device=hidden.device)]
            # Times are recorded after each part, because reading its tokens waits for the device.
            for row in decoders[0].process_forward_pass(
                self._model, part, [inputs[number] for number in numbers], decoders
            ):
                record_output_times([row], next(self._starts[decoder] for decoder in decoders if decoder.row is row))
        if states is not None:
            for number, (decoder, row_input) in enumerate(zip(running, inputs, strict=True)):
                decoder.extend_drafter_context(states[number : number + 1, : len(row_input.tokens)], row_input.start)

    def _compute_hidden_states(self, inputs: Sequence[RowInput]) -> torch.Tensor:
        if self._cache is None:
            return forward_rows(self._model, inputs, None)
        size = max(len(row_input.tokens) for row_input in inputs)
        self._cache.reserve_positions(max(row_input.start for row_input in inputs) + size)
        return forward_rows(self._model, inputs, self._cache.view_rows(0, len(inputs)))
