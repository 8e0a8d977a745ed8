"""The answers that the arena can show: those of runs, and those of live models as they come."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from evalharness.arena.model_facts import ModelFacts, facts_of
from evalharness.arena.records import Side
from evalharness.data.runs import Run
from evalharness.errors import UserError
from evalharness.records import Completion, Problem, Task, Verdict
from evalharness.report.naming import name_runs
from evalharness.report.problems import problems_of
from evalharness.report.task_variant import language_of, task_of, task_title
from evalharness.util.text import counted

ProblemKey = tuple[str, str]
"""The title of the task, with its version and options, and the id of the problem."""


@dataclass(frozen=True)
class Answer:
    """An answer of a model to a problem, as voters see it."""

    model: str
    sample_id: int
    program: str
    """The program that the task extracts from the completion: what the sandbox runs, without the tests."""
    middle: str | None
    """The part of the program between the problem's prefix and suffix; None where it does not stand between them."""
    verdict: Verdict | None
    total_s: float | None
    first_output_s: float | None
    output_tokens: int | None

    def side(self, wait_s: float = 0.0) -> Side:
        """Returns what the arena records of the answer."""
        judged = self.verdict if self.verdict and self.verdict.status != "infrastructure" else None
        return Side(
            self.model,
            self.sample_id,
            passed=judged.passed if judged else None,
            status=judged.status if judged else None,
            total_s=self.total_s,
            output_tokens=self.output_tokens,
            wait_s=wait_s,
        )


@dataclass(frozen=True)
class ShownProblem:
    """A problem as voters see it."""

    problem: Problem
    task: Task
    title: str
    """The title of the task."""
    language: str
    """The programming language, for the highlighter."""

    @property
    def question(self) -> str:
        """The program to continue or to infill, else the last message of the prompt, else its text."""
        if self.problem.prefix:
            return self.problem.prefix
        messages = self.problem.prompt.messages
        return messages[-1].content if messages else self.problem.prompt.text or ""

    def answer(self, model: str, completion: Completion, verdict: Verdict | None = None) -> Answer:
        """Returns the completion as voters see it."""
        prefix, suffix = self.problem.prefix, self.problem.suffix
        program = without_repetition(self._program(completion), prefix)
        middle = None
        if (
            prefix
            and program.startswith(prefix)
            and program.endswith(suffix)
            and len(program) >= len(prefix) + len(suffix)
        ):
            middle = program[len(prefix) : len(program) - len(suffix)].rstrip()
        return Answer(
            model,
            completion.sample_id,
            program.strip("\n"),
            middle,
            verdict,
            completion.total_s,
            completion.first_output_s,
            completion.output_tokens,
        )

    def _program(self, completion: Completion) -> str:
        """Returns the program of a completion, or its text where the task makes no program of it."""
        if completion.form == "program":
            return completion.text
        try:
            program = self.task.program(self.problem, completion)
        except (UserError, ValueError):
            return completion.text
        return program.source if program else completion.text


def without_repetition(program: str, prefix: str) -> str:
    """Returns the program without a part of the prefix that stands before a copy of the whole prefix.

    A chat model often repeats the imports of the problem, which its task adds in any case. Without them its program
    has the same form as that of a model that continues the prefix.
    """
    start = len(prefix) - len(prefix.lstrip())
    position = program.find(prefix.strip()) if prefix.strip() else -1
    repeated = position > start and program[:position].strip() in prefix
    return prefix[:start] + program[position:] if repeated else program


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
