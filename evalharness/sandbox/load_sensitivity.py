"""Decides which outcomes may depend on the machine's load or speed."""

from collections.abc import Iterator
from dataclasses import replace

from evalharness.records import CommandProgram, ExecProgram, Execution, Outcome, Program, UnitTestProgram
from evalharness.sandbox.languages import languages_by_image

IDLE_SHARE, BUSY_SHARE = 0.05, 0.9
"""A timeout is caused by the program itself if it had a core for at least `BUSY_SHARE` of its time, or if it neither
had one nor waited for one for more than `IDLE_SHARE`. Between these shares it may have waited for resources that other
programs used.
"""
CHILD_CPU_FACTOR = 1.5
"""A program that uses more than this many times the CPU time of its first process has other processes, which delay the
first one.
"""
BORDERLINE_SHARE = 0.8
"""A passed program that needed more than this share of its time limit is marked as borderline: it might fail if run
again.
"""


def needs_quiet_rerun(execution: Execution) -> bool:
    """Returns whether a part of the program timed out, perhaps because of the machine's load.

    A part is a step or a group of tests with its own outcome. If one timed out, the program runs again, alone.

    Time limits do not count time spent waiting for a core. But a busy machine also runs more slowly, programs wait for
    a disk that others use, and a program waits longer for its child processes while these wait for a core.
    """
    return any(part.status == "timeout" and _may_be_due_to_load(part) for part in execution.parts.values())


def _may_be_due_to_load(outcome: Outcome) -> bool:
    if outcome.cpu_s > CHILD_CPU_FACTOR * max(outcome.wall_s - outcome.waited_s, 1.0):
        return False
    if outcome.waited_s > IDLE_SHARE * outcome.wall_s:
        return True
    return IDLE_SHARE * outcome.wall_s < outcome.cpu_s < BUSY_SHARE * outcome.wall_s


def mark_borderline(program: Program, execution: Execution) -> Execution:
    """Returns the execution with `borderline` set to an explanation if a part of the program nearly timed out."""
    for name, part, limit in _parts_with_time_limit(program, execution):
        used = max(part.wall_s - part.waited_s, part.cpu_s)
        if part.status == "passed" and used > BORDERLINE_SHARE * limit:
            return replace(execution, borderline=f"the part {name} used {used:.1f} s of its time limit of {limit:g} s")
    return execution


def _parts_with_time_limit(program: Program, execution: Execution) -> Iterator[tuple[str, Outcome, float]]:
    """Yields (part's name, outcome, time limit in seconds) for each part of the program that has its own time limit."""
    if isinstance(program, ExecProgram | UnitTestProgram):
        yield from ((name, part, program.limits.time_s) for name, part in execution.parts.items())
    elif isinstance(program, CommandProgram):
        for step in languages_by_image()[program.image].steps:
            if step.name in execution.parts:
                yield step.name, execution.parts[step.name], step.time_s
