"""Computes how many drafted tokens were accepted in speculative decoding, over many completions."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from evalharness.data.run_types import DraftAcceptance
from evalharness.records import DraftCounts


def draft_acceptance(counts: Iterable[DraftCounts]) -> dict[str, DraftAcceptance]:
    """Returns, by draft source, how many drafted tokens the target model accepted (speculative decoding).

    The acceptance length includes the token that the target model adds, as in Leviathan et al. (arXiv 2211.17192); a
    pass without a draft (source none) has length 1.
    """
    passes: Counter[str] = Counter()
    drafted: defaultdict[str, Counter[int]] = defaultdict(Counter)
    accepted: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for part in counts:
        passes[part.source] += part.passes
        drafted[part.source].update(dict(enumerate(part.drafted)))
        accepted[part.source].update(dict(enumerate(part.accepted)))
    return {
        source: {
            "passes": number,
            "acceptance_length": 1 + accepted[source].total() / number,
            "acceptance_by_position": [
                accepted[source][place] / drafted[source][place] for place in sorted(drafted[source])
            ],
        }
        for source, number in sorted(passes.items())
    }
