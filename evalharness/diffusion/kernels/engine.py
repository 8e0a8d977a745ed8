"""Decoding on the device: the host opens blocks and takes them finished, and everything between is graphs of kernels.

Tokens, passes and confidences are those of the torch path, up to the rounding of its sums. What differs is when a batch
moves on: its sequences open their blocks together, and one that is through with its own waits for the others. Drawn
tokens have the same distribution and come from the same seeds, but by other numbers: Gumbel noise on each logit.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy.typing as npt
import torch

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.denoising import BlockState, Denoising
from evalharness.diffusion.kernels.commit import RULES, Policy, policy
from evalharness.diffusion.kernels.graphs import current, drain, per_launch, repeated
from evalharness.diffusion.kernels.kernel_options import Precision
from evalharness.diffusion.kernels.launch import divide
from evalharness.diffusion.kernels.plan import State, new_state
from evalharness.diffusion.kernels.step import Weights, new_buffers, read_weights, step
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Row, Sampler, record_times

ROUND = 256
"""Caches have a multiple of so many slots, so that one serves batches of like lengths."""
ROUND_WHOLE = 64
"""The same of sequences that each pass computes anew, where every slot is work."""
LONGEST = 1024
"""Tokens of a block; one program orders them by their scores."""
FOLLOWING = 16
"""Tokens generated one by one before the host looks at them."""
KERNELS = 9
"""Of a layer in each step."""
ENDS = 4
"""End tokens that the device knows; the host knows all."""

Tables = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Session:
    """State, cache and graphs for batches of one size, decoded in one way."""

    state: State
    host: State
    tables: Tables
    """What the host's state holds, in the same memory, as NumPy arrays: quicker to write."""
    cache: KVCache
    opening: Callable[[], None]
    """A pass that takes a finished block into the cache as well."""
    going_on: Callable[[], None]

    def run(self, long: bool) -> None:
        """Sends the host's state to the device, and fetches it once all sequences are done."""
        self.tables["live"][0] = (self.tables["done"] == 0).sum()
        with current(self.state.live.device):
            self.state.flat.copy_(self.host.flat)
            drain(self.going_on, self.state.live, self.opening if long else None)
            self.host.flat.copy_(self.state.flat)


class Engine:
    """A network whose decoding runs in fused kernels; `select.select` says whether it can."""

    def __init__(self, model: Transformer, precision: Precision | None = None) -> None:
        """With matrices as `precision` says; the prompt is still computed with those of `model`."""
        self.weights: Weights = read_weights(model, precision)
        self._whole = model.config.attention == "bidirectional"
        self._key: tuple[Any, ...] = ()
        self._session: Session | None = None

    def supports(self, sampler: Sampler, how: Denoising | None = None) -> bool:
        """Whether it can decode this way: tokens chosen among all, by a rule that fixes each position once.

        What a rule sees is the network's own distribution, and the lead of the token that was chosen.
        """
        drawn = sampler.temperature > 0
        if how is not None and (how.rule.name not in RULES or how.block > LONGEST):
            return False
        if how is not None and drawn and (how.tempered or how.rule.name == "margin"):
            return False
        return not drawn or sampler.top_p == 1

    def cache(self, rows: Sequence[Row], sampler: Sampler, how: Denoising | None = None) -> KVCache:
        """The cache for these rows, of a session that the next call of `denoise` or `follow` for them uses."""
        block = how.block if how else 0
        if self._whole:
            size = max(len(row.prompt) + row.canvas + len(row.suffix) for row in rows)
            capacity = divide(size, ROUND_WHOLE) * ROUND_WHOLE
        else:
            size = max(len(row.prompt) + row.watch.limit for row in rows) + 4 * (block + 1)
            capacity = divide(size, ROUND) * ROUND
        key = (len(rows), block, sampler, policy(how) if how else None, capacity if self._whole else 0)
        if self._session is None or key != self._key or self._session.cache.capacity < capacity:
            self._session = None
            with current(self.weights.embed.device):
                self._session, self._key = self._open(len(rows), capacity, block, sampler, how), key
        return self._session.cache

    def denoise(self, slots: Iterable[BlockState], how: Denoising, start: float) -> None:
        """Goes on from opened slots, whose rows' text is in the session's cache, until each row has ended.

        `start` is the `time.perf_counter()` from which times are counted.
        """
        session, config, rule = self._running(), self.weights.config, policy(how)
        running, host = dict(enumerate(slots)), session.tables
        _tell_ends(host, [slot.row for slot in running.values()])
        while running:
            host["done"][:] = 1
            for place, slot in running.items():
                _load(host, place, slot, rule, config.mask_id if self._whole else None)
            session.run(long=not self._whole and bool((host["ahead"] > config.shift).any()))
            moved: list[Row] = []
            tokens, fixed, sure, steps = (host[name].tolist() for name in ("tokens", "fixed", "sure", "step"))
            for place, slot in list(running.items()):
                slot.row.cached = max(0, len(slot.row.text) - config.shift)
                before = list(slot.masked)
                hidden = host["masked"][place].tolist()
                for number in range(steps[place]):
                    if slot.row.ended:
                        slot.row.forward_passes += 1
                        continue
                    commit = [was and not hidden[at] and fixed[place][at] == number for at, was in enumerate(before)]
                    slot.commit(tokens[place], commit, sure[place], how.rule)
                if slot.row.ended:
                    del running[place]
                else:
                    slot.open(how, config)
                moved.append(slot.row)
            record_times(moved, start)

    def decode_tokens(self, rows: Sequence[Row], push: Callable[[Row, int], None], start: float) -> None:
        """Generates token by token until each row has ended; all but the last of a row's tokens are in the cache.

        `push` gives a row its next token.
        """
        session = self._running()
        host = session.tables
        running = dict(enumerate(rows))
        _tell_ends(host, rows)
        first = True
        while running:
            host["done"][:] = 1
            for place, row in running.items():
                left = row.watch.limit - len(row.watch.tokens)
                # The first token is shown, and timed, as soon as it is there.
                host["last"][place] = 1 if first else min(FOLLOWING, left)
                host["context"][place, 0], host["ahead"][place], host["cached"][place] = row.text[-1], 1, row.cached
                _tell_draws(host, place, row, len(row.text) - len(row.prompt))
                host["done"][place] = host["step"][place] = host["length"][place] = 0
            session.run(long=False)
            tokens, steps = host["tokens"].tolist(), host["step"].tolist()
            for place, row in running.items():
                for token in tokens[place][: steps[place]]:
                    row.forward_passes += 1
                    if not row.ended:
                        push(row, token)
            record_times(running.values(), start)
            running = {place: row for place, row in running.items() if not row.ended}
            first = False

    def _running(self) -> Session:
        assert self._session is not None
        return self._session

    def _open(self, sequences: int, capacity: int, block: int, sampler: Sampler, how: Denoising | None) -> Session:
        weights, config = self.weights, self.weights.config
        device, rule = weights.embed.device, policy(how) if how else None
        kept = replace(config, layers=1) if self._whole else config
        cache = KVCache(kept, sequences, capacity, weights.embed.dtype, device)
        length = block or FOLLOWING
        steps = rule.steps if rule and rule.steps else 1
        room, tail = (capacity, capacity) if self._whole else (block + 1, 0)
        state, host = (
            new_state(sequences, length, room, steps, ENDS, place, tail) for place in (device, torch.device("cpu"))
        )
        tables = {name: table.numpy() for name, table in vars(host).items()}
        count = per_launch(KERNELS * config.layers)

        def graph(size: int, rule: Policy | None, count: int) -> Callable[[], None]:
            buffers = new_buffers(weights, cache, size, length if rule else 1, sampler.banned)
            once = partial(step, weights, state, buffers, cache, rule, block, sampler.temperature)
            return repeated(once, count, state.live)

        if self._whole:
            going_on = graph(capacity, rule, count)
            return Session(state, host, tables, cache, going_on, going_on)
        going_on = graph(block + config.shift if rule else 1, rule, count)
        opening = graph(2 * block + config.shift, rule, 1) if rule else going_on
        return Session(state, host, tables, cache, opening, going_on)


def _tell_ends(host: Tables, rows: Sequence[Row]) -> None:
    """The device stops at what ends every row of the batch; at what ends some of them, the host does."""
    common = sorted(frozenset.intersection(*(row.watch.end_tokens for row in rows)))[:ENDS]
    host["ends"][:] = -1
    host["ends"][: len(common)] = common


def _tell_draws(host: Tables, place: int, row: Row, number: int) -> None:
    """Where a row's draws come from, and which is the next: the same in whatever batch the row is."""
    if row.generator is not None:
        host["seeds"][place], host["draws"][place] = row.generator.initial_seed(), number


def _load(host: Tables, place: int, slot: BlockState, rule: Policy, mask: int | None) -> None:
    """Writes a slot's opened block, and what the cache lacks of its text, to the host's state.

    With a `mask`, that token, nothing is in the cache, and what is behind the block belongs to the pass as well.
    """
    row, size = slot.row, len(slot.tokens)
    cached = row.cached if mask is None else 0
    text = row.text[cached:]

    def write(name: str, values: Sequence[int]) -> None:
        host[name][place, : len(values)] = values

    host["masked"][place] = 0
    write("tokens", slot.tokens)
    write("masked", slot.masked)
    write("context", text)
    host["counts"][place] = 1
    write("counts", rule.counts(slot.initial_masks))
    host["length"][place], host["given"][place] = size, slot.prompt_tokens
    host["last"][place] = slot.prompt_tokens + row.watch.limit - len(row.watch.tokens)
    host["ahead"][place], host["cached"][place] = len(text), cached
    if mask is not None:
        tail = [*[mask] * slot.canvas_left, *row.suffix]
        assert len(text) + size + len(tail) <= host["tail"].shape[1]
        write("tail", tail)
        host["behind"][place] = len(tail)
    _tell_draws(host, place, row, row.forward_passes * host["tokens"].shape[1])
    host["done"][place] = host["step"][place] = 0
