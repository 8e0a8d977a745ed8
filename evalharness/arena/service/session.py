"""Draws pairs of answers for voters and records their votes; the HTTP API is a thin layer above it."""

import random
import secrets
import threading
from collections.abc import Callable

from evalharness.arena.answers import Answer, ShownProblem
from evalharness.arena.entrants import Entrants, ModelPair, ProblemKey
from evalharness.arena.pair_choice import CandidatePair, PairChooser
from evalharness.arena.records import AnswerPair, AnswerRecord, ExperimentArm, Vote, VoteChoice
from evalharness.arena.rows import utc_now
from evalharness.arena.service.messages import (
    PairResponse,
    PairView,
    ReplayTiming,
    RevealedAnswer,
    ShownAnswer,
    VoteResponse,
)
from evalharness.arena.store import VoteStore
from evalharness.util.http.refusals import RequestRefused

LONGEST_WAIT_S = 60.0
"""Longest generation time, in seconds, of an answer that may be shown at its recorded speed."""
AskModels = Callable[[ProblemKey, ModelPair], dict[str, Answer]]
"""Function that asks those of two models that are live (generate on request) to answer a problem; returns the answers
by model.
"""


class VotingSession:
    """A running arena: selects pairs of answers for its voters and records their votes. Thread-safe."""

    def __init__(
        self,
        entrants: Entrants,
        store: VoteStore,
        *,
        uniform: bool = False,
        recorded: float = 0.0,
        ask: AskModels = lambda key, models: {},
        seed: int | None = None,
    ):
        self.entrants, self.store, self.recorded, self.ask = entrants, store, recorded, ask
        self.chooser = PairChooser(entrants, store, uniform, seed)
        self.random = random.Random(secrets.randbits(64) if seed is None else seed)
        self._drawing = threading.Lock()

    def next_pair(self, voter: str) -> PairResponse:
        """Returns the pair that the voter was shown and has not voted on, else a new pair.

        `pair` of the response is None if the voter has seen all pairs.
        """
        with self._drawing:
            view = self._pending_pair_view(voter)
            candidate = None if view else self.chooser.choose_pair(voter)
            if candidate and None not in candidate.answers:
                view = self._store_selected_pair(voter, candidate, candidate.answers)
                candidate = None
        if candidate:
            view = self._make_pair_with_live_answers(voter, candidate)
        return PairResponse(pair=view, votes=self._count_votes_of(voter))

    def record_vote(self, pair_id: str, voter: str, choice: VoteChoice, decision_ms: int | None) -> VoteResponse:
        """Records a vote and reveals the pair's models; the first vote on a pair is final.

        `decision_ms`: milliseconds from when both answers were visible until the vote. Raises RequestRefused for a pair
        that was not selected for this voter.
        """
        pair = self.store.find_pair(pair_id)
        if pair is None:
            raise RequestRefused(404, "no pair of answers has this id; reload the page")
        if pair.voter != voter:
            raise RequestRefused(403, "this pair of answers was selected for another voter; reload the page")
        counted = self.store.add_vote(Vote(pair, choice, decision_ms, utc_now()))
        return VoteResponse(
            choice=counted.choice,
            first=_make_revealed_answer(counted.pair.first),
            second=_make_revealed_answer(counted.pair.second),
            votes=self._count_votes_of(voter),
        )

    def _count_votes_of(self, voter: str) -> int:
        return len(self.store.seen_pairs(voter)) - (self.store.pending_pair(voter) is not None)

    def _pending_pair_view(self, voter: str) -> PairView | None:
        """Returns the shown pair that a voter has not voted on; None if there is none or an answer is not loaded."""
        pair = self.store.pending_pair(voter)
        if pair is None:
            return None
        key = (pair.task, pair.task_id)
        first, second = self.entrants.find_answer(key, pair.first), self.entrants.find_answer(key, pair.second)
        if key not in self.entrants.problems or first is None or second is None:
            return None
        return _make_pair_view(pair, self.entrants.problems[key], first, second)

    def _make_pair_with_live_answers(self, voter: str, candidate: CandidatePair) -> PairView:
        answers = self.ask(candidate.problem, candidate.models)
        first, second = (
            stored_answer or answers[model]
            for model, stored_answer in zip(candidate.models, candidate.answers, strict=True)
        )
        with self._drawing:
            pending = self._pending_pair_view(voter)
            return pending or self._store_selected_pair(voter, candidate, (first, second), "live")

    def _store_selected_pair(
        self,
        voter: str,
        candidate: CandidatePair,
        answers: tuple[Answer | None, Answer | None],
        arm: ExperimentArm = "equal",
    ) -> PairView:
        """Stores a pair of answers as selected for a voter; returns it as the voting page shows it.

        `arm` is the arm of the experiment: how the answers appear (see `ExperimentArm`). A pair with the arm "equal" is
        changed to "recorded" with probability `self.recorded`, if both answers can be replayed.
        """
        first, second = answers
        assert first is not None
        assert second is not None
        if (
            arm == "equal"
            and self.random.random() < self.recorded
            and _can_be_replayed(first)
            and _can_be_replayed(second)
        ):
            arm = "recorded"
        waits = [answer.total_s or 0.0 if arm == "recorded" else 0.0 for answer in (first, second)]
        task, task_id = candidate.problem
        pair = AnswerPair(
            secrets.token_urlsafe(12), task, task_id, first.to_record(waits[0]), second.to_record(waits[1]),
            voter, arm, drawn_at=utc_now(),
        )  # fmt: skip
        self.store.add_pair(pair)
        return _make_pair_view(pair, self.entrants.problems[candidate.problem], first, second)


def _can_be_replayed(answer: Answer) -> bool:
    return answer.total_s is not None and 0 < answer.total_s <= LONGEST_WAIT_S


def _make_pair_view(pair: AnswerPair, shown: ShownProblem, first: Answer, second: Answer) -> PairView:
    """Returns a pair as the voting page shows it: both answers as whole programs, or both without prefix and suffix."""
    suffix = shown.problem.suffix
    in_place = first.middle is not None and second.middle is not None
    return PairView(
        id=pair.id,
        task=shown.title,
        task_id=shown.problem.task_id,
        language=shown.language,
        form="program" if not in_place else "infilling" if suffix else "continuation",
        question=shown.question,
        prefix=shown.problem.prefix if in_place else "",
        suffix=suffix if in_place else "",
        first=_make_shown_answer(first, in_place, pair.arm),
        second=_make_shown_answer(second, in_place, pair.arm),
        arm=pair.arm,
    )


def _make_shown_answer(answer: Answer, middle_only: bool, arm: ExperimentArm) -> ShownAnswer:
    text = answer.middle if middle_only and answer.middle is not None else answer.program
    if arm != "recorded" or answer.total_s is None:
        return ShownAnswer(text=text)
    first_s = min(answer.first_output_s or 0.0, answer.total_s)
    return ShownAnswer(text=text, timing=ReplayTiming(first_s=first_s, total_s=answer.total_s))


def _make_revealed_answer(record: AnswerRecord) -> RevealedAnswer:
    return RevealedAnswer(
        model=record.model, status=record.status, total_s=record.total_s, output_tokens=record.output_tokens
    )
