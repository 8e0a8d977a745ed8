"""Judges a program whose checks are a `unittest` class named TestCases, as in BigCodeBench.

Tests and sample share a process by design, because tests patch what the sample calls. So a sample also runs with false
tests, which every honest solution fails (tampering/suite_canary.py), and has tampered if it passes those. The processes
of all runs are forked before the judge has read any tests, each receives only its own tests, and they run in random
order: no process can find out whether its tests are the false ones.
"""

import random
import re
from collections.abc import Callable

from ..sample.unittest_suite import RunSuiteWork
from ..shared.messages import JobPartResult, UnitTestHiddenTests, UnitTestJob
from . import cleaning
from .file_watch import MEMORY_FILES, FileWatch
from .isolation import namespaces
from .job import JudgedJob
from .sample_process import SampleProcess

FAILED_COUNT = re.compile(r"AssertionError: (\d+) of ")
"""Matches the message of sample/unittest_suite.py about failed tests."""


def judge(job: UnitTestJob, read_hidden_tests: Callable[[], UnitTestHiddenTests], uid: int, workdir: str) -> JudgedJob:
    """Judges a Python program by a `unittest` suite; returns one result, named `checks`.

    `read_hidden_tests` returns the tests; it is called only after the sample's processes are forked, so that they do
    not inherit the tests.
    """
    works = [RunSuiteWork(job["settings"], job["memory_mb"]) for _ in range(job["right_runs"] + job["false_runs"])]
    processes = [SampleProcess(work, uid, workdir) for work in works]
    hidden_tests = read_hidden_tests()
    runs = [(hidden_tests["program"], 0)] * job["right_runs"] + hidden_tests["canaries"]
    random.SystemRandom().shuffle(runs)

    caught, passed = False, None
    failed: JobPartResult | None = None
    for process, (program, failing) in zip(processes, runs, strict=False):
        if failed or (caught and (failing or passed)):
            continue
        result = run_and_detect_memory_reads(process, job["time_s"], program)
        cleaning.clean_up_between_runs(uid, workdir, {other.pid for other in processes if not other.ended})
        if failing:
            caught = caught or _passes_canary(result, failing)
        elif result["status"] == "passed":
            passed = passed or result
        else:
            failed = result
    for process in processes:
        if not process.ended:
            process.end_without_result()
    return JudgedJob({"checks": _combined_result(passed, failed, caught)})


def run_and_detect_memory_reads(process: SampleProcess, limit_s: float, program: str) -> JobPartResult:
    """Runs a program with its tests; returns its result, `tampered` if any process opens the program's /proc/PID/mem.

    The program's memory contains the tests.
    """
    watch = FileWatch({}, "/")
    number, proc = namespaces.pid_and_proc_path_in_namespace(process.pid)
    watch.watch_process(number, MEMORY_FILES, proc)
    result = process.run_to_end(limit_s, program)
    watch.count_openings()
    watch.close()
    if watch.violation:
        return JobPartResult(**{**result, "status": "tampered", "detail": watch.violation})
    return result


def _passes_canary(result: JobPartResult, false_test_count: int) -> bool:
    """Returns whether a program passes any of `false_test_count` tests that were made false, which shows tampering.

    `result` is that of the run with these tests; an honest program fails all of them.
    """
    count = FAILED_COUNT.match(result["detail"]) if result["status"] == "failed" else None
    return result["status"] == "passed" or (count is not None and int(count[1]) < false_test_count)


def _combined_result(
    passed_run: JobPartResult | None, failed_run: JobPartResult | None, is_tampered: bool
) -> JobPartResult:
    """Returns one result for a program that ran several times.

    `passed_run` and `failed_run` are the results of a passed and of a failed run with the unchanged tests, None if
    there is no such run. `is_tampered`: whether a run with false tests shows tampering. The program passes only if
    there is neither a failed run nor tampering.
    """
    if failed_run:
        detail = (
            f"the program passes in some runs, but not in all: {failed_run['detail']}"
            if passed_run
            else failed_run["detail"]
        )
        return JobPartResult(**{**failed_run, "detail": detail})
    assert passed_run
    if is_tampered:
        return JobPartResult(
            **{
                **passed_run,
                "status": "tampered",
                "detail": "the program passes although its tests were made false (canary)",
            }
        )
    return passed_run
