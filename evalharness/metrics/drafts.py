"""Computes how many drafted tokens were accepted in speculative decoding, over many completions."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from evalharness.data.run_types import DraftAcceptance
from evalharness.records import DraftCounts


def draft_acceptance_by_source(draft_counts: Iterable[DraftCounts]) -> dict[str, DraftAcceptance]:
    """Returns how many drafted tokens the target model accepted in speculative decoding, by the source of the draft.

    The acceptance length includes the token that the target model adds, as in Leviathan et al. (arXiv 2211.17192); it
    is 1 for a forward pass without a draft (source none).
    """
    passes: Counter[str] = Counter()
    drafted: defaultdict[str, Counter[int]] = defaultdict(Counter)
    accepted: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for source_counts in draft_counts:
        passes[source_counts.source] += source_counts.passes
        drafted[source_counts.source].update(dict(enumerate(source_counts.drafted)))
        accepted[source_counts.source].update(dict(enumerate(source_counts.accepted)))
    return {
        source: {
            "passes": number,
            "acceptance_length": 1 + accepted[source].total() / number,
            "acceptance_by_position": [
                accepted[source][position] / drafted[source][position] for position in sorted(drafted[source])
            ],
        }
        for source, number in sorted(passes.items())
    }
