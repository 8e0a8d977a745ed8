"""Run directories made from known outcomes and times, with the harness's own code for rates and speed."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from evalharness.metrics.passk import rates, tally
from evalharness.metrics.throughput import measurement_conditions, speed
from evalharness.pipeline.store import write_json
from evalharness.records import Completion, Verdict

CPU = {"processor": "Xeon Platinum 8481C", "cores": 2}


def write_run(
    folder: Path,
    model: str,
    passed: Sequence[bool],
    seconds: float = 1.0,
    task: str = "humaneval",
    backend: str = "transformers",
    tokens: int | None = 100,
    options: dict[str, Any] | None = None,
    n: int = 1,
    limit: int | None = None,
    whole: int | None = None,
    official: bool = True,
    recipe: str = "completion",
    asked: int | None = None,
    edit: Callable[[dict[str, Any]], None] = lambda config: None,
    **more: Any,
) -> Path:
    """One run of problems p/0 ..., each with `n` samples in the order of `passed`; about `seconds` per request."""
    draw = np.random.default_rng(0)
    rows, verdicts, clock = [], [], 1000.0
    for number, good in enumerate(passed):
        key, lasted = (f"p/{number // n}", number % n), seconds * float(draw.uniform(0.8, 1.2))
        text = f"    return {number if good else 'None'}\n"
        rows.append(
            Completion(*key, text, prompt_tokens=50, output_tokens=tokens, characters=len(text), started_at=clock,
                       total_s=lasted, batch=1, **more)
        )  # fmt: skip
        verdicts.append(Verdict(*key, good, "passed" if good else "failed", detail="" if good else "AssertionError"))
        clock += lasted
    described = {"model": model, "device": "cpu", "dtype": "float32", "options": options or {}}
    config: dict[str, Any] = {
        "task": {"name": task, "version": "v1.0", "recipe": recipe, "fingerprint": "f"},
        "backend": {"name": backend, **described},
        "sampling": {"temperature": 0.0, "top_p": 1.0, "max_new_tokens": 512, "seed": 0},
        "samples": {"n": n, "limit": limit},
    }
    edit(config)
    folder.mkdir(parents=True)
    write_json(folder / "manifest.json", {"config": config, "environment": {"hardware": CPU}})
    for name, held in (("completions", rows), ("verdicts", verdicts)):
        lines = [json.dumps({key: value for key, value in asdict(row).items() if value is not None}) for row in held]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    problems = len(passed) // n
    summary = {
        "task": task, "backend": backend, "model": model, "recipe": recipe, "version": "v1.0", "split": "",
        "options": {}, "note": "", "official_data": official, "problems": problems,
        "problems_of_task": whole or problems,
        "samples": len(passed), "asked": asked or len(passed), "metrics": rates(tally(verdicts)),
        "speed": speed(rows, conditions=measurement_conditions(described, CPU), warmup=()), "statuses": {},
    }  # fmt: skip
    write_json(folder / "summary.json", summary)
    return folder


def outcomes(rate: float, problems: int = 164, seed: int = 0) -> list[bool]:
    """So many problems, of which that share passes, in an order that the seed decides."""
    good = [number < round(rate * problems) for number in range(problems)]
    return [good[place] for place in np.random.default_rng(seed).permutation(problems)]
