"""The answers that the arena can show: those of runs, and those of live models as they come."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from evalharness.arena.answers import Answer, ShownProblem
from evalharness.arena.model_facts import ModelFacts, facts_of
from evalharness.arena.records import Side
from evalharness.data.runs import Run
from evalharness.errors import UserError
from evalharness.report.naming import name_runs
from evalharness.report.problems import problems_of
from evalharness.report.task_variant import language_of, task_of, task_title
from evalharness.util.text import counted

ProblemKey = tuple[str, str]
"""The title of the task, with its version and options, and the id of the problem."""


@dataclass
class Entrants:
    """Problems, and the answers of each model to them. Safe for several threads."""

    problems: dict[ProblemKey, ShownProblem] = field(default_factory=dict)
    facts: dict[str, ModelFacts] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    """Models that are asked when a pair is drawn; their answers are not known before."""
    _answers: dict[ProblemKey, dict[str, list[Answer]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, key: ProblemKey, answer: Answer) -> None:
        """Adds an answer."""
        with self._lock:
            self._answers.setdefault(key, {}).setdefault(answer.model, []).append(answer)

    def answers(self, key: ProblemKey, model: str) -> list[Answer]:
        """Returns the answers of a model to a problem, in the order of their numbers."""
        with self._lock:
            return list(self._answers.get(key, {}).get(model, ()))

    def find(self, key: ProblemKey, side: Side) -> Answer | None:
        """Returns the answer that a side of a pair stands for; None where it is not here any more."""
        return next((answer for answer in self.answers(key, side.model) if answer.sample_id == side.sample_id), None)

    @property
    def models(self) -> list[str]:
        """The labels of all models, sorted."""
        return sorted(self.facts)


def load_entrants(runs: Sequence[Run], data: str | None = None) -> Entrants:
    """Returns the answers of runs to problems that at least one run has.

    Raises UserError where the problems of a run cannot be read, or where a completion is damaged.
    """
    entrants = Entrants()
    for run, name in zip(runs, name_runs(runs), strict=True):
        run_problems = problems_of(run, data)
        if run_problems.task is None:
            raise UserError(f"{run.folder}: its problems cannot be shown. {run_problems.missing}")
        title = task_title(run.summary)
        entrants.facts.setdefault(name.label, {"family": name.family, "tasks": {}})["tasks"][title] = facts_of(run)
        verdicts = {verdict.key: verdict for verdict in run.verdicts()}
        language = language_of(task_of(run.summary))[1]
        for completion in run.completions():
            problem = run_problems.by_id.get(completion.task_id)
            if problem is None or completion.error:
                continue
            shown = ShownProblem(problem, run_problems.task, title, language)
            key = (title, problem.task_id)
            entrants.problems.setdefault(key, shown)
            entrants.add(key, shown.answer(name.label, completion, verdicts.get(completion.key)))
    return entrants


def check_entrants(entrants: Entrants) -> None:
    """Raises UserError where there are not two models to compare on any problem."""
    if len(entrants.facts) < 2:
        raise UserError(
            f"an arena needs at least two models, not {counted(len(entrants.facts), 'model')}; give further runs, or "
            "--live BACKEND:MODEL"
        )
    if entrants.live:
        return
    if not any(sum(bool(entrants.answers(key, model)) for model in entrants.models) > 1 for key in entrants.problems):
        raise UserError("no two of these runs have answers to the same problem; give runs of one task")
