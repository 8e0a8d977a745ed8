"""Runs the bundled network twice, autoregressively and by diffusion, and compares the two runs.

python examples/python_api.py [PROBLEMS]
"""

import sys
import tempfile
from pathlib import Path

import evalharness as eh


def main(problems: int, folder: Path) -> None:
    ar = eh.run("humaneval", backend="ar", data="sample", limit=problems, out=folder / "ar", progress=False)
    diffusion = eh.run(
        "humaneval",
        backend="diffusion",
        data="sample",
        limit=problems,
        options={"threshold": 0.7},
        out=folder / "diffusion",
        progress=False,
    )

    for run in (ar, diffusion):
        rate, speed = run.summary["metrics"]["pass@1"], run.summary["speed"]
        low, high = rate["ci95"]
        print(f"{run.summary['backend']}: pass@1 {rate['value']:.3f} (95 % interval {low:.3f} to {high:.3f}),", end=" ")
        print(f"{speed['output_tokens_per_s']:.0f} tokens/s")

    table = diffusion.to_pandas()
    print(table[["task_id", "status", "output_tokens", "forwards", "total_s"]].to_string(index=False))

    comparison = eh.compare(ar, diffusion)
    improved, worsened = len(comparison.improved_problems), len(comparison.worsened_problems)
    print(f"{comparison.shared} shared problems; {improved} better, {worsened} worse")

    eh.frontier([ar, diffusion], out=folder / "frontier.html")
    print(eh.leaderboard([ar, diffusion])[["backend", "pass@1", "tokens_per_s"]].to_string(index=False))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(int(sys.argv[1]) if sys.argv[1:] else 16, Path(name))
