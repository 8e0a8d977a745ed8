"""Writes run directories from given outcomes and times. Rates and speeds are computed as in a real run."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from evalharness.metrics.answer_counts import count_answer_kinds
from evalharness.metrics.passk import count_samples_by_problem, pass_rates
from evalharness.metrics.throughput import compute_speed, speed_measurement_conditions
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
    """Writes a run of problems p/0 ..., with `n` samples each in the order of `passed`; returns its folder.

    A request takes about `seconds`. `whole` is the number of the task's problems, `asked` that of the run's samples.
    `edit` changes the manifest's configuration; `more` are further fields of every completion.
    """
    rng = np.random.default_rng(0)
    rows, verdicts, clock = [], [], 1000.0
    for number, sample_passed in enumerate(passed):
        key, latency = (f"p/{number // n}", number % n), seconds * float(rng.uniform(0.8, 1.2))
        text = f"    return {number if sample_passed else 'None'}\n"
        rows.append(
            Completion(*key, text, prompt_tokens=50, output_tokens=tokens, characters=len(text), started_at=clock,
                       total_s=latency, batch=1, **more)
        )  # fmt: skip
        status, detail = ("passed", "") if sample_passed else ("failed", "AssertionError")
        verdicts.append(Verdict(*key, sample_passed, status, detail=detail))
        clock += latency
    backend_description = {"model": model, "device": "cpu", "dtype": "float32", "options": options or {}}
    config: dict[str, Any] = {
        "task": {"name": task, "version": "v1.0", "recipe": recipe, "fingerprint": "f"},
        "backend": {"name": backend, **backend_description},
        "sampling": {"temperature": 0.0, "top_p": 1.0, "max_new_tokens": 512, "seed": 0},
        "samples": {"n": n, "limit": limit},
    }
    edit(config)
    folder.mkdir(parents=True)
    write_json(folder / "manifest.json", {"config": config, "environment": {"hardware": CPU}})
    for name, records in (("completions", rows), ("verdicts", verdicts)):
        lines = [json.dumps({key: value for key, value in asdict(row).items() if value is not None}) for row in records]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    problems = len(passed) // n
    summary = {
        "task": task, "backend": backend, "model": model, "recipe": recipe, "version": "v1.0", "split": "",
        "options": {}, "note": "", "official_data": official, "problems": problems,
        "problems_of_task": whole or problems,
        "samples": len(passed), "asked": asked or len(passed),
        "metrics": pass_rates(count_samples_by_problem(verdicts)),
        "speed": compute_speed(rows, conditions=speed_measurement_conditions(backend_description, CPU), warmup=()),
        "statuses": {},
        "answers": count_answer_kinds(rows, 512),
    }  # fmt: skip
    write_json(folder / "summary.json", summary)
    return folder


def outcomes(rate: float, problems: int = 164, seed: int = 0) -> list[bool]:
    """Returns one outcome per problem. The share `rate` of them passes, in a random order that the seed determines."""
    passed = [number < round(rate * problems) for number in range(problems)]
    return [passed[index] for index in np.random.default_rng(seed).permutation(problems)]
