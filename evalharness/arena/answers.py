"""Problems and model answers as the arena's voters see them: as programs, in the same form for all models."""

from dataclasses import dataclass

from evalharness.arena.blinding import hide_model_name
from evalharness.arena.records import AnswerRecord
from evalharness.errors import UserError
from evalharness.records import Completion, Problem, Task, Verdict


@dataclass(frozen=True)
class Answer:
    """A model's answer to a problem, as the arena shows it to voters."""

    model: str
    sample_id: int
    program: str
    """The program that the task extracts from the completion: what the sandbox runs, without the tests. The name of
    the model is hidden in it (see `hide_model_name`)."""
    middle: str | None
    """The infilled part of the program, between the problem's prefix and suffix; None if the program does not contain
    both.
    """
    verdict: Verdict | None
    total_s: float | None
    first_output_s: float | None
    output_tokens: int | None

    def to_record(self, visible_after_s: float = 0.0) -> AnswerRecord:
        """Returns what the arena stores of this answer in a pair: model, verdict and timing, without text.

        `visible_after_s`: seconds from showing the pair until the voter sees the whole answer.
        """
        judged = self.verdict if self.verdict and self.verdict.status != "infrastructure" else None
        return AnswerRecord(
            self.model,
            self.sample_id,
            passed=judged.passed if judged else None,
            status=judged.status if judged else None,
            total_s=self.total_s,
            output_tokens=self.output_tokens,
            wait_s=visible_after_s,
        )


@dataclass(frozen=True)
class ShownProblem:
    """A benchmark problem with its task, as the arena shows it to voters."""

    problem: Problem
    task: Task
    title: str
    """The title of the task."""
    language: str
    """The programming language, for syntax highlighting."""
    image: str = ""
    """The sandbox image that runs programs of the task; empty if the task runs none, or if the image is not known."""

    @property
    def question(self) -> str:
        """The problem statement for voters: the code to continue or to infill, the last chat message, or the prompt.

        For MBPP: the problem's text and tests from the dataset, because the prompt also has few-shot examples.
        """
        record, messages = self.problem.record, self.problem.prompt.messages
        if self.problem.prefix:
            return self.problem.prefix
        if isinstance(record.get("text"), str) and isinstance(record.get("test_list"), list):
            return "\n".join([record["text"], "", *map(str, record["test_list"])])
        return messages[-1].content if messages else self.problem.prompt.text or ""

    def make_answer(self, model_label: str, completion: Completion, verdict: Verdict | None = None) -> Answer:
        """Returns the `Answer` with a model's completion of this problem; the model's name is masked in the text."""
        prefix, suffix = self.problem.prefix, self.problem.suffix
        program = self._extract_program(completion)
        middle = text_between(program, prefix, suffix)
        if middle is None and prefix and completion.form != "solution":
            by_itself = program == completion.text and bool(suffix)  # the task makes no program of an infilled text
            if by_itself or completion.form == "completion":
                middle, program = completion.text.rstrip(), prefix + completion.text + suffix
        problem_text = "\n".join((self.question, prefix, suffix))
        return Answer(
            model_label,
            completion.sample_id,
            hide_model_name(program.strip("\n"), model_label, problem_text),
            None if middle is None else hide_model_name(middle, model_label, problem_text),
            verdict,
            completion.total_s,
            completion.first_output_s,
            completion.output_tokens,
        )

    def _extract_program(self, completion: Completion) -> str:
        """Returns the program that the task extracts from a completion; the completion's text if it extracts none."""
        if completion.form == "program":
            return completion.text
        try:
            program = self.task.program(self.problem, completion)
        except (UserError, ValueError):
            return completion.text
        return remove_lines_repeated_before_prefix(program.source, self.problem.prefix) if program else completion.text


def text_between(program: str, prefix: str, suffix: str) -> str | None:
    """Returns the part of `program` after `prefix` and before `suffix`; None if it does not begin and end with them."""
    enclosed = program.startswith(prefix) and program.endswith(suffix) and len(program) >= len(prefix) + len(suffix)
    return program[len(prefix) : len(program) - len(suffix)].rstrip() if prefix and enclosed else None


def remove_lines_repeated_before_prefix(program: str, prefix: str) -> str:
    """Returns the program without lines that stand before `prefix` in it and only repeat lines of `prefix`.

    `prefix` is the problem's code that each answer begins with. Chat models often repeat its imports, which the task
    adds anyway, and BigCodeBench's grader puts the signature with `pass` before each program. Without these lines, the
    programs of all models have the same form.
    """
    start = len(prefix) - len(prefix.lstrip())
    position = program.find(prefix.strip()) if prefix.strip() else -1
    prefix_lines = {line.strip() for line in prefix.splitlines()} | {"", "pass"}
    if position > start and all(line.strip() in prefix_lines for line in program[:position].splitlines()):
        return prefix[:start] + program[position:]
    return program
