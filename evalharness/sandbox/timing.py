"""Which verdicts hang on how fast the machine was."""

from collections.abc import Iterator
from dataclasses import replace

from evalharness.records import CommandProgram, ExecProgram, Execution, Outcome, Program, UnitTestProgram
from evalharness.sandbox.languages import languages

LITTLE, MOST = 0.05, 0.9
"""Shares of a program's time: on a core for most of it, or hardly ever on one or waiting for one, it owes its end to no
one else; in between it may have waited for what others kept busy."""
NEAR = 0.8
"""A program that needed more than this share of its limit might not keep it on another day."""


def may_owe_its_timeout_to_others(execution: Execution) -> bool:
    """Whether a part timed out that did not plainly use up its time by itself, so that it has to be run again alone.

    Time limits leave waiting for a core out, but a busy machine also slows what runs, a disk that others use is
    waited for, and a program that waits for its own processes waits for theirs.
    """
    return any(part.status == "timeout" and _is_disturbed(part) for part in execution.parts.values())


def _is_disturbed(part: Outcome) -> bool:
    if part.waited_s > LITTLE * part.wall_s:
        return True
    return LITTLE * part.wall_s < part.cpu_s < MOST * part.wall_s


def near_limit(program: Program, execution: Execution) -> Execution:
    """The execution, flagged where a part passed with little time to spare."""
    for name, part, limit in _limited(program, execution):
        used = max(part.wall_s - part.waited_s, part.cpu_s)
        if part.status == "passed" and used > NEAR * limit:
            return replace(execution, borderline=f"{name} needed {used:.1f} of {limit:g} s")
    return execution


def _limited(program: Program, execution: Execution) -> Iterator[tuple[str, Outcome, float]]:
    if isinstance(program, ExecProgram | UnitTestProgram):
        yield from ((name, part, program.limits.time_s) for name, part in execution.parts.items())
    elif isinstance(program, CommandProgram):
        for step in languages()[program.image].steps:
            if step.name in execution.parts:
                yield step.name, execution.parts[step.name], step.time_s
