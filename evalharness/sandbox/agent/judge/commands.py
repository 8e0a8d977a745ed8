"""Judges programs of any language by commands (compile, run ...), each of which must succeed.

The program contains its checks, as in MultiPL-E. After the last check, a statement prints a secret token, new for each
run: a program that exits early with success does not pass. Each canary is the same program with one check made false; a
program that passes with one of them has tampered with its checks, as has one that opens its own source.
"""

import os
import random
import re
from collections.abc import Callable
from typing import NamedTuple

from ..shared.messages import CommandJob, JobPartResult, NoHiddenTests, ResourceUsage, StepMessage
from ..shared.outcome import PASSED, Outcome
from . import cleaning, compile_server
from .command_process import (
    MAX_STORED_BYTES,
    RunningCommand,
    exceeded_time_limit_message,
    outcome_of_exit_code,
    tail_as_one_line,
)
from .file_watch import FileWatch
from .job import JudgedJob
from .program_source import ProgramSource


def judge(job: CommandJob, read_hidden_tests: Callable[[], NoHiddenTests], uid: int, workdir: str) -> JudgedJob:
    """Judges a program of any language by running its commands (compile, run ...).

    Returns the result of each command (step) up to the first failed one. The program runs `right_runs` times and each
    canary (a copy with one false check) once, in random order. The last step's status is `passed` if every run of the
    program passes and every canary fails, and `tampered` if a canary passes as well.
    """
    read_hidden_tests()
    programs = [job["program"]] * job["right_runs"] + job["canaries"]
    if job["right_runs"] > 1:
        random.SystemRandom().shuffle(programs)
    results: dict[str, JobPartResult] = {}
    reason = ""
    for number in range(len(programs)):
        program = programs.pop(0)
        is_right = program == job["program"]
        if reason and (results or not is_right):
            continue
        if number and not cleaning.clean_up_between_runs(uid, workdir, set()):
            reason = reason or "the program leaves processes or files that cannot be removed"
        ran = run_steps(job, program, uid, workdir)
        passed = all(result["status"] == "passed" for result in ran.values())
        if is_right:
            if not passed:
                return JudgedJob(_add_instability_note(ran) if results else ran)
            results = ran
        elif passed:
            reason = "the program passes although one of its tests was made false (canary)"
        elif not results and any(result["status"] == "timeout" for result in ran.values()):
            programs.sort(key=lambda later: later != job["program"])  # it takes too long with the right checks, too
    if reason:
        last = list(results.values())[-1]
        last["status"], last["detail"] = "tampered", reason
    return JudgedJob(results)


def _add_instability_note(results: dict[str, JobPartResult]) -> dict[str, JobPartResult]:
    """Notes in the results of a failed run that another run of the same program passed; returns the results."""
    last = list(results.values())[-1]
    last["detail"] = f"the program passes in some runs, but not in all: {last['detail']}"
    return results


def run_steps(job: CommandJob, program: bytes, uid: int, workdir: str) -> dict[str, JobPartResult]:
    """Runs a program's commands (steps) up to the first that fails; returns the results by step name.

    The program must print a secret token, new for each run, after its last check.
    """
    token = os.urandom(len(job["token"]) // 2).hex().encode()
    program = program.replace(job["token"], token) if token else program
    source = ProgramSource(os.path.join(workdir, job["file"]), program, job["piped"] and job["file"] in job["opens"])
    results: dict[str, JobPartResult] = {}
    for step in job["steps"]:
        is_last = step is job["steps"][-1]
        ran = compile_with_server(step, job["file"], program, uid, workdir) or try_shortcut_command(
            job, step, program, uid, workdir
        )
        ran = ran or run_command(job, step["command"], step["time_s"], uid, workdir, source)
        status, detail = ran.outcome
        if status == "failed" and not is_last:
            status = "error"
        if status == "passed":
            status, detail = judge_output(job, token, ran.output, ran.errors, is_last)
        if status == "passed" and ran.violation:
            # A program that fails may have been opened for its traceback.
            status, detail = Outcome("tampered", ran.violation)
        results[step["name"]] = JobPartResult(status=status, detail=detail, **ran.usage)
        if status != "passed":
            break
        source.remove_if_unused(job["steps"], step)
    source.close()
    return results


class StepRun(NamedTuple):
    """The result of one run of a step's command: outcome, output and used resources."""

    outcome: Outcome
    output: bytes
    errors: bytes
    usage: ResourceUsage
    violation: str = ""
    """Which file was opened more often than by an honest run of the command; empty if none."""


def run_command(
    job: CommandJob, command: list[str], limit_s: float, uid: int, workdir: str, source: ProgramSource | None = None
) -> StepRun:
    """Runs one command of a step; returns its outcome, output and used resources.

    Also records a violation if the program's source files are opened more often than the language's tools open them.
    """
    watch = FileWatch(job["opens"], workdir) if job["opens"] else None
    process = RunningCommand(command, uid, workdir, watch, source)
    try:
        outcome = process.wait(limit_s)
    finally:
        cleaning.kill_job_processes(uid, set())
        if watch:
            watch.close()
    violation = watch.violation if watch else ""
    return StepRun(outcome, process.output.stored_output(), process.errors.stored_output(), process.usage(), violation)


def try_shortcut_command(job: CommandJob, step: StepMessage, program: bytes, uid: int, workdir: str) -> StepRun | None:
    """Runs the step's faster command (`shortcut`) instead of its normal one, for example with precompiled headers.

    Returns None if the step has no shortcut, if the shortcut is not for programs that begin like this one, or if it
    fails; the caller must then run the step's normal command, whose outcome counts.
    """
    shortcut = step["shortcut"]
    if not shortcut or not re.match(shortcut["begins"].encode(), program):
        return None
    ran = run_command(job, shortcut["command"], step["time_s"], uid, workdir)
    return ran if ran.outcome.status == "passed" else None


def compile_with_server(step: StepMessage, file_name: str, program: bytes, uid: int, workdir: str) -> StepRun | None:
    """Compiles the program with the compile server (an already running compiler) instead of the step's command.

    Returns None if the step or image has no compile server, or if the server cannot compile this program; the caller
    must then run the step's normal command.
    """
    server, limit_s = compile_server.server, step["time_s"]
    if not step["warm"] or not server or not server.is_alive():
        return None
    watch = compile_server.CompileMeter(server, limit_s)
    try:
        answer = server.compile([workdir.encode(), file_name.encode(), program], watch)
    except compile_server.CompileServerLost:
        server.kill()
        return None
    except compile_server.CompileTimeout:
        server.kill()
        return StepRun(Outcome("timeout", exceeded_time_limit_message(limit_s)), b"", b"", watch.usage())
    if answer is None or not compile_server.write_compiled_files(uid, workdir, answer.files):
        return None
    output, errors = (
        data[:MAX_STORED_BYTES] + data[MAX_STORED_BYTES:][-MAX_STORED_BYTES:] for data in (answer.output, answer.errors)
    )
    return StepRun(outcome_of_exit_code(answer.code, errors or output), output, errors, watch.usage())


def judge_output(job: CommandJob, expected_token: bytes, stdout: bytes, stderr: bytes, is_last_step: bool) -> Outcome:
    """Returns the outcome of a step whose command exited with code 0, from what the command printed.

    The step fails if stdout or stderr matches one of the job's `fails_on` rules. In the last step, stdout must also
    contain `expected_token`, which the program prints after its last check.
    """
    rules = job["fails_on"]
    if rules["stderr_not_empty"] and stderr:
        return Outcome("failed", tail_as_one_line(stderr))
    marks = [mark for mark in rules["stderr_contains"] if mark.encode() in stderr]
    marks += [mark for mark in rules["output_contains"] if mark.encode() in stdout + b"\n" + stderr]
    if marks:
        return Outcome("failed", tail_as_one_line(stderr or stdout))
    if is_last_step and expected_token and expected_token not in stdout:
        return Outcome("tampered", "the program exited with success before all its tests had run")
    return PASSED
