"""What a completion says of its drafts."""

from helpers.tiny_network import tiny_tokenizer

from evalharness.backends.network.draft_records import count_drafts_by_source, list_rejected_drafts
from evalharness.diffusion.rows import VerifiedDraft
from evalharness.generation.stopping import Detokenizer
from evalharness.records import DraftCounts, RejectedDraft

DRAFTS = (
    VerifiedDraft(0, 0, (7, 8, 9), 1, "lookup"),
    VerifiedDraft(1, 2, (), 0, "none"),
    VerifiedDraft(2, 3, (5,), 1, "lookup"),
)


def test_counts_are_by_source_and_position() -> None:
    assert count_drafts_by_source(DRAFTS) == (DraftCounts("lookup", 2, (2, 1, 1), (2, 0, 0)), DraftCounts("none", 1))
    assert count_drafts_by_source(()) == ()


def test_rejected_tokens_stand_where_the_target_put_its_own() -> None:
    detokenizer = Detokenizer(tiny_tokenizer())
    texts = (detokenizer.decode([8]), detokenizer.decode([9]))
    assert list_rejected_drafts(DRAFTS, detokenizer) == (RejectedDraft(0, 1, texts),)
