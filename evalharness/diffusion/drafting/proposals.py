"""Chooses drafts for speculative decoding: from prompt lookup, the drafter, or none if drafting does not pay."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from evalharness.diffusion.drafting.costs import AcceptanceTracker, ForwardPassCosts
from evalharness.diffusion.drafting.lookup import EXPECTED_ACCEPTANCE, NgramLookup
from evalharness.diffusion.drafting.network import Drafter, DrafterCache
from evalharness.diffusion.rows import Row, Sampler

PROBE = 16
"""Forward passes after which a drafter that was suspended, because it made decoding slower, is tried again."""


@dataclass(frozen=True)
class DraftingSettings:
    """Settings of speculative decoding: where drafts come from, their length, and when they are accepted."""

    drafter: Drafter | None = None
    lookup: bool = False
    """Whether to draft by prompt lookup. A drafter, if given, drafts where it is expected to be faster."""
    max_length: int = 7
    """Most tokens of a draft; a drafter's block is another limit."""
    threshold: float = 1.0
    """At 1, the target accepts only tokens that it chooses itself.

    Below 1, it also accepts tokens that are at least `threshold` times as probable as its most probable token.
    """
    costs: ForwardPassCosts | None = None
    """Measured times of forward passes, by which the length of each draft is chosen; None: the maximum length."""


@dataclass
class Draft:
    """The tokens drafted for one row of a batch (none if `tokens` is empty), and where they come from."""

    tokens: list[int] = field(default_factory=list)
    tracker_name: str = "none"
    """The name of the tracker of its acceptance: the source and, for lookup, the n-gram's length."""

    @property
    def source(self) -> str:
        """The source of the drafted tokens: lookup, drafter, or none."""
        return self.tracker_name.partition(" ")[0]


class DraftSourceSelector:
    """Chooses, for each row of a batch, where its next draft comes from: prompt lookup, the drafter, or no draft.

    It chooses the source with the highest expected speed, given how many tokens of earlier drafts were accepted.
    """

    def __init__(self, drafting: DraftingSettings, rows: Sequence[Row]) -> None:
        self._drafting = drafting
        self._lookups = [NgramLookup() for _ in rows] if drafting.lookup else []
        for lookup, row in zip(self._lookups, rows, strict=False):
            lookup.append_tokens(row.prompt)
        self._trackers = {"drafter": AcceptanceTracker(drafting.max_length)}
        for size, acceptance in EXPECTED_ACCEPTANCE.items():
            self._trackers[f"lookup {size}"] = AcceptanceTracker(drafting.max_length, acceptance)
        self._parked = 0

    def choose_sources(self, rows: Sequence[Row]) -> "ChosenSources":
        """Returns each row's draft by prompt lookup, and the rows for which the drafter should draft instead.

        Drafts do not exceed the row's limit of output tokens; they have no tokens if prompt lookup finds none.
        """
        limits = [self.max_draft_tokens(row) for row in rows]
        drafts, speeds = [Draft() for _ in rows], [0.0 for _ in rows]
        for number, lookup in enumerate(self._lookups):
            drafts[number], speeds[number] = self._draft_by_lookup_with_speed(lookup, limits[number], len(rows))
        if self._drafting.drafter is None:
            return ChosenSources(drafts, [])
        drafter_speed = self._expected_drafter_speed(len(rows))
        open_rows = [
            number
            for number, draft in enumerate(drafts)
            if limits[number] > 0 and (not draft.tokens or drafter_speed > speeds[number])
        ]
        is_active = bool(open_rows) and self._is_drafter_active(drafter_speed, len(rows))
        return ChosenSources(drafts, open_rows if is_active else [])

    def max_draft_tokens(self, row: Row) -> int:
        """Returns the most tokens to draft for a row, so that the target's own token still fits in the output limit."""
        return min(self._drafting.max_length, row.stop_checker.limit - len(row.output) - 1)

    def record_draft(self, draft: Draft, accepted_tokens: int) -> None:
        """Updates the acceptance estimates with a verified draft, of which `accepted_tokens` were accepted."""
        if draft.tokens:
            self._trackers[draft.tracker_name].record_draft(len(draft.tokens), accepted_tokens)

    def append_to_lookup_text(self, row_number: int, tokens: Sequence[int]) -> None:
        """Appends new tokens of a row of the batch to the text in which prompt lookup searches."""
        if self._lookups:
            self._lookups[row_number].append_tokens(tokens)

    def keep_rows(self, row_numbers: Sequence[int]) -> None:
        """Keeps only the rows with these numbers (from 0), in this order; removes the other rows of the batch."""
        self._lookups = [self._lookups[number] for number in row_numbers] if self._lookups else []

    def _draft_by_lookup_with_speed(self, lookup: NgramLookup, max_tokens: int, row_count: int) -> tuple[Draft, float]:
        """Returns a row's draft by prompt lookup, and the row's expected decoding speed with this draft in tokens/s.

        The speed is infinite without measured costs, and 0 if prompt lookup finds nothing.
        """
        tokens, size = lookup.propose(max(0, max_tokens))
        if not tokens:
            return Draft(), 0.0
        tracker_name, speed = f"lookup {size}", math.inf
        if self._drafting.costs is not None:
            probabilities = self._trackers[tracker_name].acceptance_probabilities()[: len(tokens)]
            length, speed = self._drafting.costs.choose_draft_length(probabilities, row_count)
            tokens = tokens[:length]
        return Draft(tokens, tracker_name) if tokens else Draft(), speed

    def _expected_drafter_speed(self, row_count: int) -> float:
        """Returns the expected speed of each row if the drafter drafts, in tokens/s (0 without measured costs)."""
        drafter, costs = self._drafting.drafter, self._drafting.costs
        if costs is None or drafter is None:
            return 0.0
        probabilities = self._trackers["drafter"].acceptance_probabilities()[: drafter.config.block]
        return costs.choose_draft_length(probabilities, row_count, with_drafter=True).tokens_per_s

    def _is_drafter_active(self, expected_speed: float, row_count: int) -> bool:
        """Returns whether the drafter drafts in this pass.

        If its `expected_speed` (tokens/s) is not above the speed without drafts, it is suspended for `PROBE` passes,
        and then tried again.
        """
        probing = self._parked == 1
        self._parked = max(0, self._parked - 1)
        if self._parked:
            return False
        costs = self._drafting.costs
        if probing or costs is None or expected_speed > 1.0 / costs.verification_seconds(row_count):
            return True
        self._parked = PROBE
        return False


class ChosenSources(NamedTuple):
    """Where the drafts of a batch's rows come from: from prompt lookup or, for some rows, from the drafter."""

    lookup_drafts: list[Draft]
    """For each row, the draft by prompt lookup; without tokens if lookup finds none."""
    drafter_rows: list[int]
    """The numbers of the rows for which the drafter should draft instead."""


class DraftProposer:
    """Drafts tokens for each row of a batch, which the target verifies; `DraftSourceSelector` chooses their source."""

    def __init__(self, drafting: DraftingSettings, rows: Sequence[Row], sampler: Sampler, capacity: int) -> None:
        self._drafting, self._sampler = drafting, sampler
        self._sources = DraftSourceSelector(drafting, rows)
        self._cache: DrafterCache | None = None
        if drafting.drafter is not None:
            # A row that runs on beside a longer one writes its padding behind its own text.
            self._cache = drafting.drafter.new_cache(len(rows), capacity + drafting.drafter.config.block)

    def propose(self, rows: Sequence[Row]) -> list[Draft]:
        """Returns a draft for each row; it does not exceed the row's limit of output tokens."""
        drafts, drafter_rows = self._sources.choose_sources(rows)
        if drafter_rows:
            drafted = self._draft_with_drafter(rows)
            for number in drafter_rows:
                tokens = drafted[number][: self._sources.max_draft_tokens(rows[number])]
                if tokens or not drafts[number].tokens:
                    drafts[number] = Draft(tokens, "drafter")
        return drafts

    def extend_drafter_context(self, target_states: Tensor, start_positions: Sequence[int]) -> None:
        """Adds the tokens of a forward pass of the target to the drafter's context, given their hidden states.

        `target_states` [rows, T, taps * hidden] are those of T tokens per row, from position `start_positions[i]` of
        row i.
        """
        if self._cache is not None and self._drafting.drafter is not None:
            self._drafting.drafter.extend_context(target_states, start_positions, self._cache)

    def record_verification(
        self,
        rows: Sequence[Row],
        input_start_positions: Sequence[int],
        drafts: Sequence[Draft],
        accepted_counts: Sequence[int],
    ) -> None:
        """Updates the acceptance estimates and the prompt lookup after a forward pass that verified `drafts`.

        For row i, the pass's input began at position `input_start_positions[i]`, and `accepted_counts[i]` tokens of
        `drafts[i]` were accepted.
        """
        for draft, count in zip(drafts, accepted_counts, strict=True):
            self._sources.record_draft(draft, count)
        for number, (row, start) in enumerate(zip(rows, input_start_positions, strict=True)):
            self._sources.append_to_lookup_text(number, row.text[start + 1 :])

    def keep_rows(self, row_numbers: Sequence[int]) -> None:
        """Keeps only the rows with these numbers (from 0), in this order; removes the other rows of the batch."""
        self._sources.keep_rows(row_numbers)
        if self._cache is not None:
            self._cache.keep_rows(row_numbers)

    def _draft_with_drafter(self, rows: Sequence[Row]) -> list[list[int]]:
        """Returns the drafter's tokens for each row, cut at the draft length with the highest expected speed."""
        drafter, costs = self._drafting.drafter, self._drafting.costs
        assert drafter is not None
        assert self._cache is not None
        device = drafter.norm.weight.device
        anchors = torch.tensor([row.text[-1] for row in rows], device=device)
        size = min(drafter.config.block, self._drafting.max_length)
        states = drafter(anchors, [row.cached for row in rows], self._cache)[:, :size]
        position_logits = drafter.logits_without_markov_bias(states)
        previous = drafter.draft_vocabulary_indices(anchors)
        tokens, acceptance = [], []
        for depth in range(size):
            logits = (position_logits[:, depth] + drafter.markov_bias(previous)).float()
            if costs is not None:
                acceptance.append(torch.sigmoid(drafter.acceptance_logits(states[:, depth], previous).float()))
            uniforms = []
            if self._sampler.temperature:
                uniforms = [row.random_number(len(row.text) - len(row.prompt) + depth) for row in rows]
            previous = self._sampler.sample(logits, uniforms)
            tokens.append(drafter.vocabulary[previous])
        drafted: list[list[int]] = torch.stack(tokens, dim=1).tolist()
        if costs is None:
            return drafted
        probabilities = torch.stack(acceptance, dim=1).cumprod(dim=1).tolist()
        return [
            row_tokens[: costs.choose_draft_length(row_probabilities, len(rows)).length]
            for row_tokens, row_probabilities in zip(drafted, probabilities, strict=True)
        ]
