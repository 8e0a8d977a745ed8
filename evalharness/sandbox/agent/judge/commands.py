"""Judges a program of any language by its commands: compile, run, and so on, each of which must succeed.

The program contains its checks, as in MultiPL-E. After the last check, a statement prints a token of this job alone: a
program that exits early with success does not pass. Each canary is the same program with one check made false; a
program that passes with one of them has tampered with its checks.
"""

import os
import random
import re
from collections.abc import Callable
from typing import NamedTuple

from ..shared.messages import CommandJob, NoSecret, PartResult, StepMessage, Usage
from ..shared.outcome import PASSED, Outcome
from . import cleaning, compile_server
from .command_process import KEPT, Command, outcome_of_exit, shown, used_up


def judge(
    job: CommandJob, read_secret: Callable[[], NoSecret], uid: int, folder: str
) -> tuple[dict[str, PartResult], bytes]:
    """Returns the results by step; the bytes are empty. Steps after a failed one are absent."""
    read_secret()
    results = run_steps(job, job["program"], uid, folder)
    last = list(results.values())[-1]
    if last["status"] == "passed" and job["canaries"]:
        try:
            reason = cheating(job, uid, folder)
        except OutOfTime as error:
            return error.results, b""
        if reason:
            last["status"], last["detail"] = "tampered", reason
    return results, b""


class OutOfTime(Exception):
    """A program that passed timed out in its second run, which is a sign of a busy machine, not of cheating."""

    def __init__(self, results: dict[str, PartResult]):
        super().__init__()
        self.results = results


def cheating(job: CommandJob, uid: int, folder: str) -> str:
    """Returns how a program that passed did so without solving the problem; empty if nothing shows that.

    The canaries run in random order, and the original once more among them. That also catches a program that passes
    only in its first run because it takes all later runs for canaries. Raises OutOfTime if the original times out.
    """
    programs = [job["program"], *job["canaries"]]
    random.SystemRandom().shuffle(programs)
    for program in programs:
        if not cleaning.clean_between(uid, folder, set()):
            return "leaves processes or files that cannot be removed"
        results = run_steps(job, program, uid, folder)
        is_original = program == job["program"]
        passed = all(result["status"] == "passed" for result in results.values())
        if is_original and any(result["status"] == "timeout" for result in results.values()):
            raise OutOfTime(results)
        if passed != is_original:
            return "passes though one of its checks is false" if passed else "passes in its first run alone"
    return ""


def run_steps(job: CommandJob, program: bytes, uid: int, folder: str) -> dict[str, PartResult]:
    """Writes the program and runs its steps up to the first that fails."""
    with open(os.path.join(folder, job["file"]), "wb") as file:
        file.write(program)
    results: dict[str, PartResult] = {}
    for step in job["steps"]:
        is_last = step is job["steps"][-1]
        ran = ask_server(step, job["file"], program, uid, folder) or take_shortcut(step, program, uid, folder)
        ran = ran or run_command(step["command"], step["time_s"], uid, folder)
        status, detail = ran.outcome
        if status == "failed" and not is_last:
            status = "error"
        if status == "passed":
            status, detail = judge_output(job, ran.output, ran.errors, is_last)
        results[step["name"]] = PartResult(status=status, detail=detail, **ran.usage)
        if status != "passed":
            break
    return results


class StepRun(NamedTuple):
    """How a step ended, what it printed, and what it used."""

    outcome: Outcome
    output: bytes
    errors: bytes
    usage: Usage


def run_command(command: list[str], limit_s: float, uid: int, folder: str) -> StepRun:
    """Runs a command of a step."""
    process = Command(command, uid, folder)
    try:
        outcome = process.wait(limit_s)
    finally:
        cleaning.end_processes(uid, set())
    return StepRun(outcome, process.output.kept(), process.errors.kept(), process.usage())


def take_shortcut(step: StepMessage, program: bytes, uid: int, folder: str) -> StepRun | None:
    """Runs the step's faster command; returns None if it does not apply to this program or does not succeed."""
    shortcut = step["shortcut"]
    if not shortcut or not re.match(shortcut["begins"].encode(), program):
        return None
    ran = run_command(shortcut["command"], step["time_s"], uid, folder)
    return ran if ran.outcome == PASSED else None


def ask_server(step: StepMessage, file: str, program: bytes, uid: int, folder: str) -> StepRun | None:
    """Runs the step by the compile server, with the same result as its command; None if the command has to run."""
    server, limit_s = compile_server.server, step["time_s"]
    if not step["warm"] or not server or not server.is_alive():
        return None
    watch = compile_server.Watch(server, limit_s)
    try:
        answer = server.ask([folder.encode(), file.encode(), program], watch)
    except compile_server.Lost:
        server.kill()
        return None
    except compile_server.TimeIsOver:
        server.kill()
        return StepRun(Outcome("timeout", used_up(limit_s)), b"", b"", watch.usage())
    if answer is None or not compile_server.write_files(uid, folder, answer.files):
        return None
    output, errors = (data[:KEPT] + data[KEPT:][-KEPT:] for data in (answer.output, answer.errors))
    return StepRun(outcome_of_exit(answer.code, errors or output), output, errors, watch.usage())


def judge_output(job: CommandJob, output: bytes, errors: bytes, is_last: bool) -> Outcome:
    """Returns the outcome of a step that exited with success.

    The step passes if it printed what it must, and nothing that it must not.
    """
    rules = job["fails_on"]
    if rules["stderr_not_empty"] and errors:
        return Outcome("failed", shown(errors))
    marks = [mark for mark in rules["stderr_contains"] if mark.encode() in errors]
    marks += [mark for mark in rules["output_contains"] if mark.encode() in output + b"\n" + errors]
    if marks:
        return Outcome("failed", shown(errors or output))
    if is_last and job["token"] and job["token"] not in output:
        return Outcome("tampered", "left with success before its tests had run to their end")
    return PASSED
