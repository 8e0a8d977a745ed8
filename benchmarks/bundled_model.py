"""Scores the bundled network, or another of its form: the tables of its model card.

Runs HumanEval, FIM single-line and the bundled samples with every way of decoding (resumed where the output folder has
them already), checks that self-speculation gives exactly the autoregressive text, and then times the ways side by side:
batch 1, one process, the same prompts, round after round, so that a busy machine slows all of them alike.

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
from evalharness.pipeline.validate import PreparedTask, list_requests, prepare
from evalharness.records import Request, Sampling

Way = tuple[str, str, dict[str, str]]
WAYS: tuple[Way, ...] = (
    ("autoregressive", "ar", {}),
    ("self-speculative", "ar", {"draft": "8"}),
    ("diffusion, threshold 0.9", "diffusion", {"threshold": "0.9"}),
    ("diffusion, threshold 0.7", "diffusion", {"threshold": "0.7"}),
    ("diffusion, threshold 0.5", "diffusion", {"threshold": "0.5"}),
)
GAPS = (WAYS[0], WAYS[2])
SAMPLES = ("humaneval", "mbpp", "fim-single-line")
START, END = "<!-- scores -->", "<!-- end of scores -->"


def config(task: str, way: Way, given: argparse.Namespace, data: str | None = None) -> RunConfig:
    """The run of a task in one way of decoding."""
    _, backend, options = way
    options = {**options, "dtype": given.dtype}
    return RunConfig(task, backend, given.model, batch_size=given.batch_size, data=data, options=options)


def score(task: str, way: Way, given: argparse.Namespace, data: str | None = None) -> tuple[Summary, Path]:
    """The summary of that run, and its folder."""
    folder = given.out / f"{task}-{data or 'data'}-{way[0].replace(', ', '-').replace(' ', '-')}"
    return run(config(task, way, given, data), folder), folder


def rate(summary: Summary) -> str:
    """pass@1 with its interval, in percent."""
    metric = summary["metrics"]["pass@1"]
    low, high = (100 * end for end in metric["ci95"])
    return f"{100 * metric['value']:.1f} [{low:.1f}, {high:.1f}]"


def passes(folder: Path) -> dict[str, float]:
    """1 or 0 for each problem of a run with one sample of each."""
    return {verdict.task_id: float(verdict.status == "passed") for verdict in read_verdicts(folder)}


def texts(folder: Path) -> dict[str, str]:
    """The completions of a run with one sample of each problem."""
    return {completion.task_id: completion.text for completion in read_completions(folder)}


def scores(task: str, given: argparse.Namespace, data: str | None = None, ways: Sequence[Way] = WAYS) -> Iterator[str]:
    """A table of a task's scores: rate, difference to the autoregressive run, tokens in each pass."""
    yield f"| {task}{', bundled sample' if data else ''} | pass@1 [95 %] | against autoregressive | tokens per pass |"
    yield "|---|---|---|---|"
    first: dict[str, float] = {}
    plain: dict[str, str] = {}
    for way in ways:
        summary, folder = score(task, way, given, data)
        found = passes(folder)
        first, plain = first or found, plain or texts(folder)
        keys = sorted(first)
        difference = paired_difference([first[key] for key in keys], [found[key] for key in keys])
        low, high = (100 * end for end in difference.ci95)
        against = "" if found is first else f"{100 * difference.value:+.1f} [{low:+.1f}, {high:+.1f}]"
        if way[2].get("draft"):
            same = sum(plain[key] == text for key, text in texts(folder).items())
            against += f"; {same} of {len(plain)} texts are the same"
        rows = list(read_completions(folder))
        tokens, steps = sum(row.output_tokens or 0 for row in rows), sum(row.forwards or 0 for row in rows)
        yield f"| {way[0]} | {rate(summary)} | {against} | {tokens / max(1, steps):.2f} |"
    yield ""


def seconds(
    prepared: PreparedTask, requests: list[Request], way: Way, given: argparse.Namespace, dtype: str
) -> tuple[float, int]:
    """Seconds and output tokens of these requests at batch 1, the model being loaded already."""
    backend = find_backend(way[1])(BackendConfig(given.model, 1, {**way[2], "dtype": dtype}))
    list(backend.generate(requests[:2], Sampling(0.0, 1.0, 32, 0)))
    rows = list(backend.generate(requests, prepared.sampling))
    backend.close()
    return sum(row.total_s or 0 for row in rows), sum(row.output_tokens or 0 for row in rows)


def speeds(given: argparse.Namespace, dtype: str) -> Iterator[str]:
    """A table of tokens/s at batch 1 and the ratio to autoregressive decoding, medians over rounds."""
    prepared = prepare(config("humaneval", WAYS[0], given))
    requests = list_requests(prepared, None)[:: given.every]
    found: dict[str, list[float]] = {way[0]: [] for way in WAYS}
    for _ in range(given.rounds):
        for way in WAYS:
            took, tokens = seconds(prepared, requests, way, given, dtype)
            found[way[0]].append(tokens / took)
    plain = found[WAYS[0][0]]
    yield f"| {len(requests)} prompts of humaneval, batch 1, {dtype} | tokens/s | times autoregressive |"
    yield "|---|---|---|"
    for name, rates in found.items():
        ratios = [rate / base for rate, base in zip(rates, plain, strict=True)]
        yield f"| {name} | {statistics.median(rates):.0f} | {statistics.median(ratios):.2f} |"
    yield ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", help="a checkpoint folder; by default the bundled network")
    parser.add_argument("--card", type=Path, help="a file whose scores, between two marks, are rewritten")
    parser.add_argument("--dtype", default="float32", help="of the scores; both precisions are timed")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--every", type=int, default=12, help="each n-th prompt is timed")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    lines: list[str] = []
    tables = [scores("humaneval", given), scores("fim-single-line", given, ways=GAPS)]
    tables += [scores(task, given, "sample") for task in SAMPLES]
    for table in (*tables, speeds(given, "float32"), speeds(given, "bfloat16")):
        for line in table:
            print(line, flush=True)
            lines.append(line)
    if given.card:
        text = given.card.read_text()
        before, after = text.split(START)[0], text.split(END)[1]
        given.card.write_text(f"{before}{START}\n" + "\n".join(lines) + f"{END}{after}")


if __name__ == "__main__":
    main()
