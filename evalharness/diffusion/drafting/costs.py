"""Measures the cost of forward passes on this machine, and derives the best draft length from it."""

import hashlib
import itertools
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.drafting.checkpoint import target_fingerprint
from evalharness.diffusion.drafting.network import Drafter
from evalharness.diffusion.forward import forward_rows, make_causal_input
from evalharness.diffusion.network import Transformer

WIDTHS = (1, 2, 4, 8, 16, 32, 64)
CONTEXT = 256
"""Tokens in the KV cache when a forward pass is timed."""
REPEATS = 5


@dataclass(frozen=True)
class ForwardPassCosts:
    """The measured times of forward passes: of the target, for several numbers of tokens, and of the drafter."""

    widths: tuple[int, ...]
    """Numbers of tokens in a forward pass of the target, ascending."""
    seconds: tuple[float, ...]
    """For each number in `widths`, the time of the target's pass."""
    draft_s: float = 0.0
    """Seconds of a drafter pass; 0 without a drafter."""

    def verification_seconds(self, token_count: int) -> float:
        """Returns the seconds of a target pass over this many tokens, interpolated between the measurements."""
        pairs = list(zip(self.widths, self.seconds, strict=True))
        for (low, before), (high, after) in itertools.pairwise(pairs):
            if token_count <= high:
                return before + (after - before) * (token_count - low) / (high - low)
        return self.seconds[-1] * token_count / self.widths[-1]

    def choose_draft_length(
        self, acceptance_probabilities: Sequence[float], row_count: int = 1, with_drafter: bool = False
    ) -> "DraftLengthChoice":
        """Returns the draft length with the highest expected decoding speed, and that speed.

        `acceptance_probabilities[i]` is the probability that draft token i and all before it are accepted. If
        `with_drafter` is true, the time of the drafter's forward pass is included. All `row_count` rows of the batch
        are assumed to have drafts of this length.
        """
        spent = self.draft_s if with_drafter else 0.0
        expected, best = 1.0, DraftLengthChoice(0, 1.0 / (self.verification_seconds(row_count) + spent))
        for length, probability in enumerate(acceptance_probabilities, 1):
            expected += probability
            speed = expected / (self.verification_seconds(row_count * (1 + length)) + spent)
            if speed > best.tokens_per_s:
                best = DraftLengthChoice(length, speed)
        return best


class DraftLengthChoice(NamedTuple):
    """A number of tokens to draft, and the decoding speed of one row that is expected with drafts of this length."""

    length: int
    tokens_per_s: float


class AcceptanceTracker:
    """Estimates the probability that the target accepts a draft's i-th token, for each i, from the drafts so far.

    Each source of drafts (prompt lookup, drafter) has its own tracker.
    """

    def __init__(self, max_length: int, prior: float = 0.6, prior_weight: float = 8.0) -> None:
        """`max_length`: number of draft positions to track.

        `prior` is the assumed probability that a position is accepted if those before it are; it counts as much as
        `prior_weight` verifications.
        """
        self._tried = [prior_weight] * max_length
        self._accepted = [prior_weight * prior] * max_length

    def record_draft(self, drafted_count: int, accepted_count: int) -> None:
        """Updates the estimates with a draft of `drafted_count` tokens; the target accepted `accepted_count`."""
        for position in range(min(drafted_count, accepted_count + 1)):
            self._tried[position] += 1
            self._accepted[position] += position < accepted_count

    def acceptance_probabilities(self) -> list[float]:
        """Returns, for each draft position, the probability that its token and all tokens before it are accepted."""
        cumulative, product = [], 1.0
        for accepted, tried in zip(self._accepted, self._tried, strict=True):
            product *= accepted / tried
            cumulative.append(product)
        return cumulative


@torch.inference_mode()
def measure_forward_pass_costs(model: Transformer, drafter: Drafter | None) -> ForwardPassCosts:
    """Times forward passes of target and drafter; returns the seconds of each, the minimum of several repetitions."""
    weight = model.embed.weight
    cache = KVCache(model.config, 1, CONTEXT + WIDTHS[-1], weight.dtype, weight.device)
    forward_rows(model, [make_causal_input(0, [1] * CONTEXT)], cache)

    def run_verifying_pass(token_count: int) -> Tensor:
        return model.logits(forward_rows(model, [make_causal_input(CONTEXT, [1] * token_count)], cache))

    seconds = [_measure_minimum_seconds(partial(run_verifying_pass, width)) for width in WIDTHS]
    # A pass is at most as slow as one over more tokens; where it was, another program had the processor.
    seconds = [min(seconds[number:]) for number in range(len(seconds))]
    draft_s = 0.0
    if drafter is not None:
        context = drafter.new_cache(1, CONTEXT + drafter.config.block)
        anchor = torch.ones(1, dtype=torch.long, device=weight.device)

        def run_drafter_pass() -> None:
            states = drafter(anchor, [CONTEXT], context)
            drafter.logits(states, drafter.draft_vocabulary_indices(anchor)[:, None].expand(states.shape[:2]))

        draft_s = _measure_minimum_seconds(run_drafter_pass)
    return ForwardPassCosts(WIDTHS, tuple(seconds), draft_s)


def load_or_measure_forward_pass_costs(model: Transformer, drafter: Drafter | None) -> ForwardPassCosts:
    """Returns the measured times of the forward passes of a model and its drafter on this machine.

    They are read from the user's cache folder; if they are not there, they are measured and stored.
    """
    weight = model.embed.weight
    device = torch.cuda.get_device_name(weight.device) if weight.device.type == "cuda" else str(weight.device)
    cache_key_parts = [
        target_fingerprint(model), str(weight.dtype), device, torch.get_num_threads(), os.cpu_count(),
        torch.__version__, type(model.head).__name__,
        (repr(drafter.config), type(drafter.fuse).__name__) if drafter else None,
    ]  # fmt: skip
    key = hashlib.sha256(json.dumps(cache_key_parts).encode()).hexdigest()[:16]
    root = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "evalharness" / "draft-costs"
    path = root / f"{key}.json"
    try:
        values = json.loads(path.read_text())
        return ForwardPassCosts(tuple(values["widths"]), tuple(values["seconds"]), values["draft_s"])
    except (OSError, ValueError, KeyError):
        costs = measure_forward_pass_costs(model, drafter)
    try:
        root.mkdir(parents=True, exist_ok=True)
        partial_file = path.with_suffix(f".{os.getpid()}")
        partial_file.write_text(json.dumps(asdict(costs)))
        partial_file.replace(path)
    except OSError:
        pass  # a read-only home: measured anew next time
    return costs


def _measure_minimum_seconds(call: Callable[[], object]) -> float:
    """Returns the seconds of the fastest of `REPEATS` calls, after one call that is not timed."""
    call()
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return best
