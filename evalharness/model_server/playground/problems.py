"""Benchmark problems for the playground, and sandbox verdicts on its answers to them."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TypedDict

from evalharness.adapters import open_task
from evalharness.data.cards import load_cards
from evalharness.data.sources import parse_data_source
from evalharness.errors import UserError
from evalharness.grading_service.grading import GradingPool
from evalharness.model_server.config import ServerConfig
from evalharness.records import Completion, Problem, Verdict
from evalharness.sandbox.factory import open_sandbox
from evalharness.util.suggest import unknown_name_message

MAX_PENDING_ANSWERS = 16
"""Maximum number of answers that wait for the sandbox or run in it."""


class PlaygroundProblem(TypedDict):
    """A benchmark problem as the playground's page shows it."""

    task: str
    id: str
    prompt: str
    """The text to continue, or the messages of a chat as one text."""
    chat: bool
    suffix: str | None
    stops: list[str]
    number: int
    """The problem's index in its task, from 0."""
    problems: int


class PlaygroundProblems:
    """Loads benchmark problems for the playground on demand, and grades answers to them. Thread-safe."""

    def __init__(self, config: ServerConfig, log: Callable[[str], None]) -> None:
        """Raises UserError if the configured sandbox is not available."""
        self.with_sandbox = bool(config.sandbox)
        self._pool: GradingPool | None = None
        if config.sandbox:
            self._pool = GradingPool(open_sandbox(config.sandbox, config.workers, {}, log), config.data)
        self._source = config.data
        self._pending = 0

    @staticmethod
    def task_names() -> list[str]:
        """Returns the names of all benchmark tasks."""
        return sorted(name for card in load_cards() for name in card.tasks)

    def find_problem(self, task_name: str, id_or_index: str) -> PlaygroundProblem:
        """Returns a task's problem by its task_id or index; the first problem for an empty `id_or_index`.

        Raises UserError for an unknown task or problem, and if the task's data are not available.
        """
        problems = list(self._load_problems(task_name).values())
        ids = [problem.task_id for problem in problems]
        if not id_or_index:
            number = 0
        elif id_or_index in ids:
            number = ids.index(id_or_index)
        elif id_or_index.isdigit() and int(id_or_index) < len(ids):
            number = int(id_or_index)
        else:
            raise UserError(unknown_name_message(f"problem of {task_name}", id_or_index, ids))
        problem = problems[number]
        prompt = problem.prompt
        chat = bool(prompt.messages)
        text = "\n\n".join(message.content for message in prompt.messages) if chat else (prompt.text or "")
        return {
            "task": task_name, "id": problem.task_id, "prompt": text, "chat": chat, "suffix": prompt.suffix,
            "stops": list(prompt.stops), "number": number, "problems": len(ids),
        }  # fmt: skip

    async def grade_answer(self, task_name: str, task_id: str, answer_text: str) -> Verdict:
        """Runs the task's tests on an answer in the sandbox and returns the verdict.

        Raises UserError if the server has no sandbox, for an unknown problem, and if too many answers are waiting.
        """
        pool = self._pool
        if pool is None:
            raise UserError(
                "the server was started without a sandbox and cannot run programs; start it with --with-sandbox"
            )
        if self._pending >= MAX_PENDING_ANSWERS:
            raise UserError(f"{MAX_PENDING_ANSWERS} answers already wait for the sandbox or run in it; try again later")
        self._pending += 1
        try:
            loaded = await asyncio.to_thread(pool.load_task, task_name, {})
            if task_id not in loaded.problems:
                raise UserError(f"task {task_name} has no problem {task_id!r}; choose a problem of this task")
            completion = Completion(task_id, 0, answer_text, characters=len(answer_text))
            return await asyncio.wrap_future(pool.submit(loaded, completion))
        finally:
            self._pending -= 1

    def close(self) -> None:
        """Stops the sandbox's containers. Safe to call twice."""
        if self._pool is not None:
            self._pool.close()

    def _load_problems(self, task_name: str) -> Mapping[str, Problem]:
        if self._pool is not None:
            return self._pool.load_task(task_name, {}).problems
        opened, _ = open_task(task_name, parse_data_source(self._source), {})
        return {problem.task_id: problem for problem in opened.problems()}
