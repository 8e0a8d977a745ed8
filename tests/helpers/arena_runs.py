"""Runs and votes for the tests of the arena."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from evalharness.arena.records import AnswerPair, AnswerRecord, Vote, VoteChoice, VoterKind
from evalharness.arena.store import VoteStore
from evalharness.records import Completion, Problem, Verdict
from helpers import page_runs

MODELS = {
    "org/heron-7b": ("ar", 0.75, 0.05),
    "org/ibis-7b": ("diffusion", 0.5, 0.02),
    "org/kestrel-7b": ("transformers", 0.25, 0.1),
}
"""Backend, share of problems that pass, and seconds per answer."""


def answer_of(model: str, share: float, seconds: float) -> Callable[[Problem, int], tuple[Completion, Verdict]]:
    """Answers with the reference solution on a share of the problems. The text does not name the model."""

    def answer(problem: Problem, number: int) -> tuple[Completion, Verdict]:
        position = int("".join(filter(str.isdigit, problem.task_id)) or 0)
        passed = (position * 7 + len(model)) % 20 < 20 * share
        middle = (problem.reference or "").removeprefix(problem.prefix).removesuffix(problem.suffix)
        text = middle if passed else "    return None\n"
        text = f"    pass  # {sum(map(ord, model)) % 97}\n{text}"
        completion = Completion(
            problem.task_id, number, text, form="completion", output_tokens=20, characters=len(text),
            started_at=100.0 + position, total_s=seconds, first_output_s=seconds / 4,
        )  # fmt: skip
        return completion, Verdict(problem.task_id, number, passed, "passed" if passed else "failed")

    return answer


def write_runs(folder: Path, task: str = "humaneval") -> Path:
    """Writes one run for each of `MODELS` and returns the folder."""
    for model, (backend, share, seconds) in MODELS.items():
        answer = answer_of(model, share, seconds)
        page_runs.write_run(folder / model.split("/")[1], task, answer, backend=backend, model=model)
    return folder


def pair(number: int, first: str = "a", second: str = "b", voter: str = "Ada", **more: object) -> AnswerPair:
    """Returns a pair on problem `p/NUMBER`."""
    left, right = AnswerRecord(first), AnswerRecord(second)
    return AnswerPair(f"id-{voter}-{number}", "task", f"p/{number}", left, right, voter, **more)  # type: ignore[arg-type]


def vote(
    number: int,
    choice: VoteChoice,
    first: str = "a",
    second: str = "b",
    voter: str = "Ada",
    kind: VoterKind = "person",
    passed: Mapping[str, bool] | None = None,
) -> Vote:
    """Returns a vote; `passed` is the sandbox's verdict by model."""
    known = passed or {}
    left, right = (AnswerRecord(model, passed=known.get(model)) for model in (first, second))
    drawn = AnswerPair(f"id-{voter}-{number}-{first}", "task", f"p/{number}", left, right, voter, voter_kind=kind)
    return Vote(drawn, choice, 1000 + number, "2026-01-01T00:00:00.000Z")


def write_votes(folder: Path, voter: str) -> None:
    """Writes 40 pairs and votes of a voter, for tests with several processes."""
    store = VoteStore(folder)
    for number in range(40):
        drawn = pair(number, voter=voter)
        store.add_pair(drawn)
        store.add_vote(replace(vote(number, "first"), pair=drawn))
