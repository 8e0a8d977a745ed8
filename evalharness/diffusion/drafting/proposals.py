"""Chooses drafts for speculative decoding: from prompt lookup, the drafter, or none if drafting does not pay."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from evalharness.diffusion.drafting.costs import AcceptanceTracker, ForwardPassCosts
from evalharness.diffusion.drafting.lookup import SIZES, NgramLookup
from evalharness.diffusion.drafting.network import Drafter, DrafterCache
from evalharness.diffusion.rows import Row, Sampler

PROBE = 16
"""Forward passes after which a drafter that did not pay is tried again."""


@dataclass(frozen=True)
class DraftingSettings:
    """Settings of speculative decoding: where drafts come from, their length, and when they are accepted."""

    drafter: Drafter | None = None
    lookup: bool = False
    """Whether to draft by prompt lookup. A drafter, if given, drafts if the lookup finds no match."""
    longest: int = 7
    """Most tokens of a draft; a drafter's block is another limit."""
    threshold: float = 1.0
    """1 accepts only the target's own tokens; below, also drafts with this share of the top token's probability."""
    costs: ForwardPassCosts | None = None
    """Costs from which the length of each draft is chosen; without them, drafts have the maximum length."""


@dataclass
class Draft:
    """The tokens drafted for one row of the batch; none if nothing was drafted."""

    tokens: list[int] = field(default_factory=list)
    kind: str = "none"
    """The name under which acceptance is tracked: the source, and for lookup the n-gram's length."""

    @property
    def source(self) -> str:
        """The source of the drafted tokens: lookup, drafter, or none."""
        return self.kind.partition(" ")[0]


class DraftProposer:
    """Drafts tokens for the rows of a batch; draft lengths adapt to how many tokens of earlier drafts were accepted."""

    def __init__(self, drafting: DraftingSettings, rows: Sequence[Row], sampler: Sampler, capacity: int) -> None:
        self._drafting, self._sampler = drafting, sampler
        self._lookups = [NgramLookup() for _ in rows] if drafting.lookup else []
        for lookup, row in zip(self._lookups, rows, strict=False):
            lookup.extend(row.prompt)
        longest = drafting.longest
        kinds = ["drafter", *(f"lookup {size}" for size in SIZES)]
        self._trackers = {kind: AcceptanceTracker(longest) for kind in kinds}
        self._parked = 0
        self._cache: DrafterCache | None = None
        if drafting.drafter is not None:
            # A row that runs on beside a longer one writes its padding behind its own text.
            self._cache = drafting.drafter.new_cache(len(rows), capacity + drafting.drafter.config.block)

    def propose(self, rows: Sequence[Row]) -> list[Draft]:
        """Returns a draft for each row, which does not exceed the row's limit of output tokens."""
        limits = [min(self._drafting.longest, row.watch.limit - len(row.output) - 1) for row in rows]
        drafts = [Draft() for _ in rows]
        for number, lookup in enumerate(self._lookups):
            drafts[number] = self._draft_by_lookup(lookup, limits[number], len(rows))
        if self._cache is not None and any(
            not draft.tokens and limit > 0 for draft, limit in zip(drafts, limits, strict=True)
        ):
            probing = self._parked == 1
            self._parked = max(0, self._parked - 1)
            if not self._parked and (probing or self._is_drafter_worthwhile(len(rows))):
                drafted = self._draft_with_drafter(rows)
                for number, draft in enumerate(drafts):
                    if not draft.tokens and limits[number] > 0:
                        drafts[number] = Draft(drafted[number][: limits[number]], "drafter")
            elif not self._parked:
                self._parked = PROBE
        return drafts

    def observe_states(self, states: Tensor, starts: Sequence[int]) -> None:
        """Adds the target's hidden states of a forward pass to the drafter's context.

        `states` [rows, T, taps * hidden] are those of the tokens from position `starts[i]` of row i.
        """
        if self._cache is not None and self._drafting.drafter is not None:
            self._drafting.drafter.extend_context(states, starts, self._cache)

    def record_verification(
        self, rows: Sequence[Row], starts: Sequence[int], drafts: Sequence[Draft], accepted: Sequence[int]
    ) -> None:
        """Updates the acceptance estimates and the prompt lookup after a forward pass that verified `drafts`.

        The pass accepted `accepted[i]` tokens of row i, whose input began at position `starts[i]`.
        """
        for draft, count in zip(drafts, accepted, strict=True):
            if draft.tokens:
                self._trackers[draft.kind].record_draft(len(draft.tokens), count)
        for lookup, row, start in zip(self._lookups, rows, starts, strict=False):
            lookup.extend(row.text[start + 1 :])

    def keep_rows(self, kept: Sequence[int]) -> None:
        """Keeps only the given rows of the batch, in the given order."""
        self._lookups = [self._lookups[number] for number in kept] if self._lookups else []
        if self._cache is not None:
            self._cache.keep_rows(kept)

    def _draft_by_lookup(self, lookup: NgramLookup, limit: int, rows: int) -> Draft:
        tokens, size = lookup.propose(max(0, limit))
        if not tokens:
            return Draft()
        kind = f"lookup {size}"
        if self._drafting.costs is not None:
            probabilities = self._trackers[kind].probabilities()[: len(tokens)]
            tokens = tokens[: self._drafting.costs.best_draft_length(probabilities, rows)[0]]
        return Draft(tokens, kind) if tokens else Draft()

    def _is_drafter_worthwhile(self, rows: int) -> bool:
        """Returns whether decoding `rows` rows with the drafter is expected to be faster than without drafts."""
        costs = self._drafting.costs
        if costs is None:
            return True
        _, speed = costs.best_draft_length(self._trackers["drafter"].probabilities(), rows, drafting=True)
        return speed > 1.0 / costs.verification_seconds(rows)

    def _draft_with_drafter(self, rows: Sequence[Row]) -> list[list[int]]:
        """Returns the drafter's tokens for each row, cut at the draft length with the highest expected speed."""
        drafter, costs = self._drafting.drafter, self._drafting.costs
        assert drafter is not None
        assert self._cache is not None
        device = drafter.norm.weight.device
        anchors = torch.tensor([row.text[-1] for row in rows], device=device)
        states = drafter(anchors, [row.cached for row in rows], self._cache)
        previous = drafter.draft_vocabulary_indices(anchors)
        tokens, certain = [], []
        for depth in range(min(drafter.config.block, self._drafting.longest)):
            logits = drafter.logits(states[:, depth], previous).float()
            if costs is not None:
                certain.append(torch.sigmoid(drafter.acceptance_logits(states[:, depth], previous).float()))
            uniforms = []
            if self._sampler.temperature:
                uniforms = [row.random_number(len(row.text) - len(row.prompt) + depth) for row in rows]
            previous = self._sampler.sample(logits, uniforms)
            tokens.append(drafter.vocabulary[previous])
        drafted: list[list[int]] = torch.stack(tokens, dim=1).tolist()
        if costs is None:
            return drafted
        probabilities = torch.stack(certain, dim=1).cumprod(dim=1).tolist()
        return [
            row_tokens[: costs.best_draft_length(row_probabilities, len(rows))[0]]
            for row_tokens, row_probabilities in zip(drafted, probabilities, strict=True)
        ]
