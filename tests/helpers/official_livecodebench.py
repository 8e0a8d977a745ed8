"""What the official grader says of the planted programs: `python official.py CHECKOUT > official.json`.

CHECKOUT is a folder with LiveCodeBench/LiveCodeBench at the commit that the task card names. The programs are our own,
and harmless; they run on this machine, as the official grader has it.
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
    """The planted programs by name."""
    return dict(yaml.safe_load((HERE / "programs.yaml").read_text(encoding="utf-8")))


def results(checkout: Path, planted: dict[str, dict[str, Any]]) -> dict[str, list[Any]]:
    """The official result of each: per case true, or a code below zero; the list ends with the first that is wrong."""
    sys.path.insert(0, str(checkout))
    from lcb_runner.evaluation.compute_code_generation_metrics import evaluate_generations

    samples = []
    for program in planted.values():
        inputs, outputs = zip(*program["cases"], strict=True)
        tests = {"inputs": inputs, "outputs": outputs, "fn_name": program.get("function")}
        samples.append({"input_output": json.dumps(tests)})
    sources = [[program["source"]] for program in planted.values()]
    found, _ = evaluate_generations(samples, sources, num_process_evaluate=2, timeout=TIME_S)
    return {
        name: [bool(each) if each in (True, False) else int(each) for each in found[index][0]]
        for index, name in enumerate(planted)
    }


def main() -> None:
    """Prints the results, with the version of Python; what the programs print goes nowhere."""
    checkout, out = Path(sys.argv[1]).resolve(), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nowhere, fd)
    found = {"python": platform.python_version(), "results": results(checkout, programs())}
    with contextlib.closing(os.fdopen(out, "w")) as file:
        commit = find_task("livecodebench")[0].grading.commit
        lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(codes)}" for name, codes in found["results"].items())
        file.write(f'{{"commit": "{commit}", "python": "{found["python"]}", "results": {{\n{lines}\n}}}}\n')
    os._exit(0)


if __name__ == "__main__":
    main()
