"""Scores the bundled network, or another checkpoint of its format, and prints the tables of its model card.

Runs HumanEval, FIM single-line and the bundled samples with each decoding method (resuming runs in the output folder),
and checks that self-speculation generates exactly the autoregressive text. Then times the methods round robin on the
same prompts, at batch size 1 in one process, so that a busy machine slows all of them equally.

    EVALHARNESS_DATA=DIR python benchmarks/bundled_model.py --out runs [--model DIR] [--card MODEL_CARD.md]
"""

import argparse
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from evalharness.backends import BackendConfig, find_backend
from evalharness.data.run_files import read_completions, read_verdicts
from evalharness.data.run_types import Summary
from evalharness.metrics.paired_tests import paired_difference
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.run import run
from evalharness.pipeline.validate import PreparedTask, list_requests, prepare_task
from evalharness.records import Request, Sampling

Method = tuple[str, str, dict[str, str]]
METHODS: tuple[Method, ...] = (
    ("autoregressive", "ar", {}),
    ("self-speculative", "ar", {"draft": "8"}),
    ("diffusion, threshold 0.9", "diffusion", {"threshold": "0.9"}),
    ("diffusion, threshold 0.7", "diffusion", {"threshold": "0.7"}),
    ("diffusion, threshold 0.5", "diffusion", {"threshold": "0.5"}),
)
INFILLING_METHODS = (METHODS[0], METHODS[2])
SAMPLES = ("humaneval", "mbpp", "fim-single-line")
START, END = "<!-- scores -->", "<!-- end of scores -->"


def config(task: str, method: Method, args: argparse.Namespace, data: str | None = None) -> RunConfig:
    """The configuration of a run of a task with one decoding method."""
    _, backend, options = method
    options = {**options, "dtype": args.dtype}
    return RunConfig(task, backend, args.model, batch_size=args.batch_size, data=data, options=options)


def score(task: str, method: Method, args: argparse.Namespace, data: str | None = None) -> tuple[Summary, Path]:
    """The summary of that run and its folder."""
    folder = args.out / f"{task}-{data or 'data'}-{method[0].replace(', ', '-').replace(' ', '-')}"
    return run(config(task, method, args, data), folder), folder


def rate(summary: Summary) -> str:
    """pass@1 with its confidence interval in percent."""
    metric = summary["metrics"]["pass@1"]
    low, high = (100 * end for end in metric["ci95"])
    return f"{100 * metric['value']:.1f} [{low:.1f}, {high:.1f}]"


def passes(folder: Path) -> dict[str, float]:
    """1 or 0 for each problem of a run with one sample per problem."""
    return {verdict.task_id: float(verdict.status == "passed") for verdict in read_verdicts(folder)}


def texts(folder: Path) -> dict[str, str]:
    """The completion texts of a run with one sample per problem."""
    return {completion.task_id: completion.text for completion in read_completions(folder)}


def scores(
    task: str, args: argparse.Namespace, data: str | None = None, methods: Sequence[Method] = METHODS
) -> Iterator[str]:
    """The table of a task's scores: pass@1, difference to the autoregressive run, tokens per pass."""
    yield f"| {task}{', bundled sample' if data else ''} | pass@1 [95 %] | against autoregressive | tokens per pass |"
    yield "|---|---|---|---|"
    first: dict[str, float] = {}
    plain: dict[str, str] = {}
    for method in methods:
        summary, folder = score(task, method, args, data)
        results = passes(folder)
        first, plain = first or results, plain or texts(folder)
        keys = sorted(first)
        difference = paired_difference([first[key] for key in keys], [results[key] for key in keys])
        low, high = (100 * end for end in difference.ci95)
        against = "" if results is first else f"{100 * difference.value:+.1f} [{low:+.1f}, {high:+.1f}]"
        if method[2].get("draft"):
            same = sum(plain[key] == text for key, text in texts(folder).items())
            against += f"; {same} of {len(plain)} texts are the same"
        rows = list(read_completions(folder))
        tokens, steps = sum(row.output_tokens or 0 for row in rows), sum(row.forwards or 0 for row in rows)
        yield f"| {method[0]} | {rate(summary)} | {against} | {tokens / max(1, steps):.2f} |"
    yield ""


def seconds(
    prepared: PreparedTask, requests: list[Request], method: Method, args: argparse.Namespace, dtype: str
) -> tuple[float, int]:
    """Seconds and output tokens of these requests at batch size 1, without loading the model."""
    backend = find_backend(method[1])(BackendConfig(args.model, 1, {**method[2], "dtype": dtype}))
    list(backend.generate(requests[:2], Sampling(0.0, 1.0, 32, 0)))
    rows = list(backend.generate(requests, prepared.sampling))
    backend.close()
    return sum(row.total_s or 0 for row in rows), sum(row.output_tokens or 0 for row in rows)


def speeds(args: argparse.Namespace, dtype: str) -> Iterator[str]:
    """The table of tokens/s at batch size 1 and ratios to autoregressive decoding, as medians over rounds."""
    prepared = prepare_task(config("humaneval", METHODS[0], args))
    requests = list_requests(prepared, None)[:: args.every]
    found: dict[str, list[float]] = {method[0]: [] for method in METHODS}
    for _ in range(args.rounds):
        for method in METHODS:
            took, tokens = seconds(prepared, requests, method, args, dtype)
            found[method[0]].append(tokens / took)
    plain = found[METHODS[0][0]]
    yield f"| {len(requests)} prompts of humaneval, batch 1, {dtype} | tokens/s | times autoregressive |"
    yield "|---|---|---|"
    for name, rates in found.items():
        ratios = [rate / base for rate, base in zip(rates, plain, strict=True)]
        yield f"| {name} | {statistics.median(rates):.0f} | {statistics.median(ratios):.2f} |"
    yield ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", help="checkpoint folder [default: the bundled network]")
    parser.add_argument("--card", type=Path, help="file in which the scores between the two markers are replaced")
    parser.add_argument("--dtype", default="float32", help="precision of the scores; both precisions are timed")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--every", type=int, default=12, help="time every n-th prompt")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    lines: list[str] = []
    tables = [scores("humaneval", args), scores("fim-single-line", args, methods=INFILLING_METHODS)]
    tables += [scores(task, args, "sample") for task in SAMPLES]
    for table in (*tables, speeds(args, "float32"), speeds(args, "bfloat16")):
        for line in table:
            print(line, flush=True)
            lines.append(line)
    if args.card:
        text = args.card.read_text()
        before, after = text.split(START)[0], text.split(END)[1]
        args.card.write_text(f"{before}{START}\n" + "\n".join(lines) + f"{END}{after}")


if __name__ == "__main__":
    main()
