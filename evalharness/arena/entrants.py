"""The competing models of an arena with their answers: from run directories, or from live models on request."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from evalharness.arena.answers import Answer, ShownProblem
from evalharness.arena.measurements import ModelMeasurements, collect_run_measurements
from evalharness.arena.records import AnswerRecord
from evalharness.data.runs import Run
from evalharness.errors import UserError
from evalharness.report.naming import name_runs
from evalharness.report.problems import load_problems
from evalharness.report.task_variant import split_task_family_and_language, task_name_of, task_title
from evalharness.util.text import counted

ProblemKey = tuple[str, str]
"""Identifies a problem: the task's title, which includes data version and options, and the problem's task_id."""
ModelPair = tuple[str, str]
"""The labels of two models."""


@dataclass
class Entrants:
    """The models that compete in an arena, the problems that voters see, and each model's answers. Thread-safe."""

    problems: dict[ProblemKey, ShownProblem] = field(default_factory=dict)
    measurements: dict[str, ModelMeasurements] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    """Labels of live models, which answer only when a pair is drawn."""
    _answers: dict[ProblemKey, dict[str, list[Answer]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add_answer(self, problem_key: ProblemKey, answer: Answer) -> None:
        """Adds a model's answer to a problem."""
        with self._lock:
            self._answers.setdefault(problem_key, {}).setdefault(answer.model, []).append(answer)

    def answers(self, problem_key: ProblemKey, model_label: str) -> list[Answer]:
        """Returns a model's answers to a problem, ordered by sample_id."""
        with self._lock:
            return list(self._answers.get(problem_key, {}).get(model_label, ()))

    def find_answer(self, problem_key: ProblemKey, record: AnswerRecord) -> Answer | None:
        """Returns the answer with the model and sample_id of `record`; None if no such answer is loaded."""
        return next(
            (answer for answer in self.answers(problem_key, record.model) if answer.sample_id == record.sample_id), None
        )

    @property
    def model_labels(self) -> list[str]:
        """The labels of all competing models, sorted."""
        return sorted(self.measurements)


def load_entrants(runs: Sequence[Run], data_source: str | None = None) -> Entrants:
    """Returns the models of the runs as competitors, with the runs' problems and each model's answers.

    `data_source`: where the problems are read from (see `load_problems`). Raises UserError if the problems of a run
    cannot be read, or if a row of its completions.jsonl is damaged.
    """
    entrants = Entrants()
    for run, name in zip(runs, name_runs(runs), strict=True):
        run_problems = load_problems(run, data_source)
        if run_problems.task is None:
            raise UserError(f"the benchmark problems of run {run.folder} cannot be loaded. {run_problems.missing}")
        title = task_title(run.summary)
        entrants.measurements.setdefault(name.label, {"family": name.family, "tasks": {}})["tasks"][title] = (
            collect_run_measurements(run)
        )
        verdicts = {verdict.key: verdict for verdict in run.verdicts()}
        language, image = (
            split_task_family_and_language(task_name_of(run.summary))[1],
            run.config.get("task", {}).get("image", ""),
        )
        for completion in run.completions():
            problem = run_problems.by_id.get(completion.task_id)
            if problem is None or completion.error:
                continue
            shown = ShownProblem(problem, run_problems.task, title, language, image)
            key = (title, problem.task_id)
            entrants.problems.setdefault(key, shown)
            entrants.add_answer(key, shown.make_answer(name.label, completion, verdicts.get(completion.key)))
    return entrants


def check_entrants_are_comparable(entrants: Entrants) -> None:
    """Raises UserError if there are fewer than two models, or if no two models have answers to the same problem.

    Live models answer any problem on request; with them, only the number of models is checked.
    """
    if len(entrants.measurements) < 2:
        raise UserError(
            f"an arena compares at least two models, but got {counted(len(entrants.measurements), 'model')}; give more "
            "run directories, or --live BACKEND:MODEL"
        )
    if entrants.live:
        return
    if not any(
        sum(bool(entrants.answers(key, model)) for model in entrants.model_labels) > 1 for key in entrants.problems
    ):
        raise UserError("no two of the given models have answers to the same problem; give runs of the same task")
