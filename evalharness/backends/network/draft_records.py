"""Draft statistics of a completion (speculative decoding): counts by source and position, and rejected tokens."""

from collections.abc import Sequence

from evalharness.diffusion.rows import VerifiedDraft
from evalharness.generation.stopping import Detokenizer
from evalharness.records import DraftCounts, RejectedDraft


def count_drafts_by_source(drafts: Sequence[VerifiedDraft]) -> tuple[DraftCounts, ...]:
    """Returns, for each source of drafts, how many tokens were drafted and accepted at each position of a draft.

    Sources are, for example, a drafter network and prompt lookup; they are in alphabetical order.
    """
    counts = []
    for source in sorted({draft.source for draft in drafts}):
        source_drafts = [draft for draft in drafts if draft.source == source]
        positions = range(max(len(draft.tokens) for draft in source_drafts))
        counts.append(
            DraftCounts(
                source,
                len(source_drafts),
                tuple(sum(position < len(draft.tokens) for draft in source_drafts) for position in positions),
                tuple(sum(position < draft.accepted for draft in source_drafts) for position in positions),
            )
        )
    return tuple(counts)


def list_rejected_drafts(drafts: Sequence[VerifiedDraft], detokenizer: Detokenizer) -> tuple[RejectedDraft, ...]:
    """Returns the rejected tokens of each draft that was not fully accepted, in the order of the forward passes."""
    return tuple(
        RejectedDraft(
            draft.forward_pass,
            draft.position + draft.accepted,
            tuple(detokenizer.decode([token]) for token in draft.tokens[draft.accepted :]),
        )
        for draft in drafts
        if draft.accepted < len(draft.tokens)
    )
