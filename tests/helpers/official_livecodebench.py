"""Records the official verdicts of test programs: `python official_livecodebench.py CHECKOUT > official.json`.

CHECKOUT is a folder with LiveCodeBench/LiveCodeBench at the commit that the task card names. The programs belong to
this project and are harmless; the official grader runs them without a sandbox.
"""

import contextlib
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import yaml

from evalharness.data.cards import find_task

HERE = Path(__file__).parents[1] / "parity" / "livecodebench"
TIME_S = 6


def programs() -> dict[str, dict[str, Any]]:
    """Returns the test programs by name."""
    return dict(yaml.safe_load((HERE / "programs.yaml").read_text(encoding="utf-8")))


def results(checkout: Path, planted: dict[str, dict[str, Any]]) -> dict[str, list[Any]]:
    """Returns each program's official results: per test case True, or a negative code for the first that fails."""
    sys.path.insert(0, str(checkout))
    from lcb_runner.evaluation.compute_code_generation_metrics import evaluate_generations

    samples = []
    for program in planted.values():
        inputs, outputs = zip(*program["cases"], strict=True)
        tests = {"inputs": inputs, "outputs": outputs, "fn_name": program.get("function")}
        samples.append({"input_output": json.dumps(tests)})
    sources = [[program["source"]] for program in planted.values()]
    results_by_index, _ = evaluate_generations(samples, sources, num_process_evaluate=2, timeout=TIME_S)
    return {
        name: [bool(code) if code in (True, False) else int(code) for code in results_by_index[index][0]]
        for index, name in enumerate(planted)
    }


def main() -> None:
    """Prints the results with the version of Python, and discards what the programs print."""
    checkout, out = Path(sys.argv[1]).resolve(), os.dup(1)
    discarded = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(discarded, fd)
    record = {"python": platform.python_version(), "results": results(checkout, programs())}
    with contextlib.closing(os.fdopen(out, "w")) as file:
        commit = find_task("livecodebench")[0].grading.commit
        lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(codes)}" for name, codes in record["results"].items())
        file.write(f'{{"commit": "{commit}", "python": "{record["python"]}", "results": {{\n{lines}\n}}}}\n')
    os._exit(0)


if __name__ == "__main__":
    main()
