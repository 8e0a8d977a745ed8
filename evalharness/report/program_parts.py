"""Makes the program of a sample again, as text: the code extracted from the answer, and the problem's tests."""

from evalharness.errors import UserError
from evalharness.records import Completion, EncodedTestCases, Problem, Program, Task
from evalharness.records.programs import CallsProgram, CasesProgram
from evalharness.util.limits.calls import LimitExceeded
from evalharness.util.limits.texts import is_too_large


def extract_program_source(task: Task, problem: Problem, completion: Completion) -> str | None:
    """Returns the source of a completion's program without the tests; None if the completion has no program."""
    program = _make_sandbox_program(task, problem, completion)
    return program.source if program else None


def format_tests(task: Task, problem: Problem) -> str:
    """Returns the tests of a problem as text; "" for tasks that compare the answer's text instead of running it."""
    program = _make_sandbox_program(task, problem, Completion(problem.task_id, 0, "", form="solution"))
    if program is None:
        return ""
    if isinstance(program, CallsProgram):
        reference = program.reference
        return (
            f"{reference.entry_point} is called on the inputs of {' and '.join(reference.groups)}; its outputs are "
            f"compared with those of the official solution:\n\n{reference.source}"
        )
    if isinstance(program, CasesProgram):
        return _format_test_cases(program.cases)
    return program.checks.text if program.checks else ""


def _make_sandbox_program(task: Task, problem: Problem, completion: Completion) -> Program | None:
    """Returns the program that the sandbox runs for a completion; None if there is none, or the answer is too large."""
    if is_too_large(completion.text):
        return None
    try:
        return task.program(problem, completion)
    except (UserError, LimitExceeded):
        return None


def _format_test_cases(cases: EncodedTestCases) -> str:
    subject = f"{cases.function} is called with" if cases.function else "The program reads"
    private = "; private cases, which are not shown, follow" if cases.private else ""
    return f"{subject} each input, and its output is compared{private}:\n\n{cases.public}"
