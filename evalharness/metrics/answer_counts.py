"""Counts how the answers of a run ended: at the token limit, empty, refused, missing, or with reasoning alone."""

from collections import Counter
from collections.abc import Callable, Iterable

from evalharness.data.run_types import AnswerCounts, AnswerKind
from evalharness.metrics.reasons import group_failures_by_reason
from evalharness.metrics.tokenizing import CommonTokenizer
from evalharness.records import Completion

KINDS: tuple[AnswerKind, ...] = ("at_limit", "reasoning_only", "empty", "refused", "unanswered")
REFUSED = frozenset({"refused", "content_filter", "refusal", "safety"})
"""Finish reasons of a prompt that an endpoint refuses, and of an answer that its filter ends."""
UNANSWERED = "error"
"""The finish reason of a prompt for which the backend failed."""


def count_answer_kinds(
    completions: Iterable[Completion],
    token_limit: int | None = None,
    tokenizer: CommonTokenizer | None = None,
    final_text: Callable[[Completion], str] = lambda completion: completion.text,
) -> AnswerCounts | None:
    """Returns how many answers were truncated at the token limit, empty, refused, missing or only reasoning.

    Returns None if there are no answers. Completions with an `error` are not counted: a prompt for which the backend
    failed has a missing answer only with --settle-failures. `token_limit`, the limit under which the answers were
    generated, is only stored with the counts. `tokenizer`, if given, counts the tokens of reasoning. `final_text`
    returns the text of a completion without its reasoning.
    """
    counts = Counter[AnswerKind]()
    total = with_reasoning = common_tokens = known_ends = 0
    reasoning_tokens: int | None = 0
    reasons_by_kind: dict[AnswerKind, list[tuple[str, str]]] = {"refused": [], "unanswered": []}
    for completion in completions:
        if completion.error:
            continue
        total += 1
        known_ends += completion.finish_reason != "unknown"
        kinds = find_answer_defects(completion, final_text(completion))
        counts.update(kinds)
        if completion.refusal and kinds and kinds[-1] in reasons_by_kind:
            reasons_by_kind[kinds[-1]].append((completion.task_id, completion.refusal))
        if completion.reasoning or completion.reasoning_tokens:
            with_reasoning += 1
            common_tokens += tokenizer.count(completion.reasoning or "") if tokenizer else 0
            counted = completion.reasoning_tokens
            reasoning_tokens = None if reasoning_tokens is None or counted is None else reasoning_tokens + counted
    if not total:
        return None
    counted_kinds = [kind for kind in KINDS if kind != "at_limit" or known_ends]
    answers: AnswerCounts = {
        "answers": total,
        "counts": {kind: counts[kind] for kind in counted_kinds},
        "rates": {kind: counts[kind] / total for kind in counted_kinds},
    }
    if token_limit is not None:
        answers["token_limit"] = token_limit
    if with_reasoning:
        answers["with_reasoning"] = with_reasoning
        if reasoning_tokens is not None:
            answers["reasoning_tokens"] = reasoning_tokens
        if tokenizer:
            answers["reasoning_common_tokens"] = common_tokens
    if reasons := {kind: group_failures_by_reason(texts) for kind, texts in reasons_by_kind.items() if texts}:
        answers["reasons"] = reasons
    return answers


def find_answer_defects(completion: Completion, final_text: str) -> list[AnswerKind]:
    """Returns what is wrong with an answer: up to two of `KINDS`, such as at_limit and reasoning_only; [] for nothing.

    `final_text` is the answer's text without reasoning.
    """
    at_limit = completion.finish_reason == "length"
    no_room = at_limit and completion.output_tokens == 0  # the prompt alone fills the model's context
    kinds: list[AnswerKind] = ["at_limit"] if at_limit and not no_room else []
    if completion.finish_reason.lower() in REFUSED or no_room:
        return [*kinds, "refused"]
    if completion.finish_reason == UNANSWERED and not completion.text:
        return ["unanswered"]
    if final_text.strip():
        return kinds
    has_reasoning = bool(completion.reasoning or completion.reasoning_tokens or completion.text.strip())
    return [*kinds, "reasoning_only" if has_reasoning else "empty"]
