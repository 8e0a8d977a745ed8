"""Acceptance of speculative decoding's drafts, over completions."""

from evalharness.metrics.drafts import draft_acceptance_by_source
from evalharness.records import DraftCounts


def test_acceptance_is_counted_over_completions_by_source_and_position() -> None:
    counts = [
        DraftCounts("lookup", 2, (2, 2, 1), (2, 1, 0)),
        DraftCounts("lookup", 2, (2,), (1,)),
        DraftCounts("none", 5),
    ]
    assert draft_acceptance_by_source(counts) == {
        "lookup": {"passes": 4, "acceptance_length": 2.0, "acceptance_by_position": [0.75, 0.5, 0.0]},
        "none": {"passes": 5, "acceptance_length": 1.0, "acceptance_by_position": []},
    }
