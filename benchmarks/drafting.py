"""Measures drafting for an autoregressive model: pass@1, speed against plain decoding, and acceptance, in one process.

All methods answer a problem one after another before the next problem, in an order that rotates, at batch size 1, so
that a busy machine slows all methods equally. Problems come in random order, so that those of a stopped measurement are
a sample of all. A run directory per task and method is written below --out; a stopped measurement goes on where it was
stopped. At the end all answers are graded, and the tables are printed; before, those of the speeds so far.

    EVALHARNESS_DATA=DIR python benchmarks/drafting.py --model BASE [--drafter DIR] --out runs [--task humaneval]
    evalharness frontier runs/humaneval/* --out frontier.png
"""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from evalharness.data.run_files import read_completions, read_verdicts
from evalharness.errors import UserError
from evalharness.metrics.drafts import draft_acceptance_by_source
from evalharness.metrics.paired_tests import paired_difference
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.progress import SilentProgress
from evalharness.pipeline.run import open_executor, open_run_stores, run
from evalharness.pipeline.store import RunStore
from evalharness.pipeline.validate import PreparedRun, validate_runs
from evalharness.records import Backend, Completion

PLAIN = "ar"
LOSSLESS = ("lookup", "drafter", "hybrid")
METHODS: Mapping[str, tuple[str, dict[str, str]]] = {
    PLAIN: ("ar", {}),
    "ar-packed": ("ar", {"packed": "true"}),
    "lookup": ("ar", {"draft": "lookup"}),
    "drafter": ("diffusion", {"lookup": "false"}),
    "hybrid": ("diffusion", {}),
    **{
        f"typical-{share}": ("diffusion", {"rule": "typical", "threshold": share})
        for share in ("0.7", "0.5", "0.3", "0.1")
    },
}
TASKS = {
    "humaneval": ("chat", tuple(METHODS)),
    "mbpp": ("chat", (PLAIN, *LOSSLESS)),
    "fim-single-line": ("first-line", (PLAIN, *LOSSLESS)),
}
"""Of each task: the recipe, and the methods."""
RESAMPLES = 2000


@dataclass
class Method:
    """A method whose run directory is open."""

    name: str
    backend: Backend
    prepared: PreparedRun
    store: RunStore


def config(task: str, method: str, args: argparse.Namespace, only: tuple[str, ...] = ()) -> RunConfig:
    """The configuration of the run of a task with a method; `only`: the problems' ids, empty for all."""
    backend, options = METHODS[method]
    recipe = TASKS[task][0]
    options = {**options, "recipe": recipe, "dtype": args.dtype, "threads": str(args.threads)}
    options |= {"drafter": str(args.drafter)} if args.drafter and backend == "diffusion" else {}
    return RunConfig(
        task, backend, args.model, max_new_tokens=args.max_new_tokens, data=args.data, only=only, options=options
    )


def sample_problems(task: str, args: argparse.Namespace) -> tuple[str, ...]:
    """The ids of --problems randomly drawn problems of a task; empty for all."""
    if not args.problems:
        return ()
    everything = validate_runs([(config(task, "lookup", args), args.out / task / "all")], lambda _: None)
    ids = [request.problem.task_id for request in everything.runs[0].requests]
    Random(0).shuffle(ids)
    return tuple(ids[: args.problems])


class Networks:
    """The networks in memory: one as it is for plain decoding, one packed for verification, with the drafter."""

    def __init__(self) -> None:
        self._loaded: dict[str, object] = {}

    def give_to(self, method: str, backend: Backend) -> None:
        """Sets the network of a backend that has none yet; the first backend of each kind loads it."""
        kind = "plain" if method == PLAIN else METHODS[method][0]  # ar-packed and lookup take diffusion's network
        if kind == "ar" and "diffusion" in self._loaded:
            backend._network = self._loaded["diffusion"]._network  # type: ignore[attr-defined]
        elif kind in self._loaded:
            for name in ("_network", "_drafter", "_drafting"):
                if hasattr(backend, name):
                    setattr(backend, name, getattr(self._loaded[kind], name))
        else:
            backend._load_network()  # type: ignore[attr-defined]
            self._loaded[kind] = backend


def open_methods(
    task: str, only: tuple[str, ...], args: argparse.Namespace, networks: Networks, stack: ExitStack
) -> list[Method]:
    """The methods of a task, each with its backend and the store of its run directory."""
    opened = []
    # The methods with a drafter first, because lookup takes their network.
    for name in sorted(args.methods or TASKS[task][1], key=lambda name: METHODS[name][0] != "diffusion"):
        prepared = validate_runs([(config(task, name, args, only), args.out / task / name)], lambda _: None)
        executor = stack.enter_context(closing(open_executor(prepared, SilentProgress())))
        executor.sandbox.prepare(prepared.image_names)  # the manifest names them
        networks.give_to(name, executor.backend)
        (store,) = open_run_stores(prepared, executor, stack)
        store.record_resumption([request.key for request in prepared.runs[0].requests])
        opened.append(Method(name, executor.backend, prepared.runs[0], store))
    return sorted(opened, key=lambda method: list(METHODS).index(method.name))


def generate(task: str, only: tuple[str, ...], args: argparse.Namespace, networks: Networks) -> bool:
    """Generates what is missing, problem by problem and method by method; returns whether nothing is missing."""
    with ExitStack() as stack:
        methods = open_methods(task, only, args, networks, stack)
        start = time.monotonic()
        problems = list(zip(*(method.prepared.requests for method in methods), strict=True))
        Random(0).shuffle(problems)
        for number, requests in enumerate(problems):
            if args.minutes and time.monotonic() - args.started > 60 * args.minutes:
                return False
            pairs = list(zip(methods, requests, strict=True))
            shift = number % len(pairs)
            for method, request in pairs[shift:] + pairs[:shift]:
                if request.key not in method.store.completed_keys:
                    (completion,) = method.backend.generate([request], method.prepared.prepared.sampling)
                    method.store.add_completion(completion)
            done = f"{number + 1} of {len(methods[0].prepared.requests)} problems"
            print(f"{task}: {done}, {time.monotonic() - start:.0f} s", flush=True)
    return True


def speed_ratio(first: Sequence[Completion], second: Sequence[Completion]) -> tuple[float, float, float]:
    """Tokens/s of `second` over those of `first` on the same problems, with a 95 % bootstrap interval over problems."""
    counts = np.array(
        [
            [a.output_tokens or 0, a.total_s or 0, b.output_tokens or 0, b.total_s or 0]
            for a, b in zip(first, second, strict=True)
        ]
    )

    def ratio(rows: np.ndarray) -> float:
        sums = rows.sum(axis=0)
        return float(sums[2] / sums[3] / (sums[0] / sums[1]))

    random = np.random.default_rng(0)
    samples = [ratio(counts[random.integers(len(counts), size=len(counts))]) for _ in range(RESAMPLES)]
    low, high = np.percentile(samples, [2.5, 97.5])
    return ratio(counts), float(low), float(high)


def tables(task: str, args: argparse.Namespace) -> Iterator[str]:
    """The lines of both tables of a task, on the problems that all methods have answered.

    The first table is quality, if all are judged, and speed, against plain decoding or else the first of the methods;
    the second one is acceptance.
    """
    names = [name for name in METHODS if name in (args.methods or TASKS[task][1])]
    plain = names[0]
    found = {name: {row.task_id: row for row in read_completions(args.out / task / name)} for name in names}
    common = [key for key in found[plain] if all(key in found[name] for name in names)]
    rows = {name: [found[name][key] for key in common] for name in names}
    passed = {
        name: {verdict.task_id: float(verdict.status == "passed") for verdict in read_verdicts(args.out / task / name)}
        for name in names
    }
    setting = f"{task}, {len(common)} problems, {args.dtype}, {args.threads or 'all'} threads"
    columns = ["pass@1 (%)", f"against {plain}", "same texts", "tokens/s", f"times {plain} [95 %]", "tokens per pass"]
    yield f"| {setting} | {' | '.join(columns)} |"
    yield "|---|---|---|---|---|---|---|"
    for name in names:
        quality = "not judged |"
        if all(key in passed[name] and key in passed[plain] for key in common):
            difference = paired_difference(
                [passed[plain][key] for key in common], [passed[name][key] for key in common]
            )
            share = sum(passed[name][key] for key in common) / len(common)
            quality = f"{100 * share:.1f} | {100 * difference.value:+.1f} (p {difference.p:.2f})"
        ratio, low, high = speed_ratio(rows[plain], rows[name])
        tokens, seconds = (
            sum(getattr(row, field) or 0 for row in rows[name]) for field in ("output_tokens", "total_s")
        )
        passes = sum(row.forwards or 0 for row in rows[name])
        same = sum(first.text == second.text for first, second in zip(rows[plain], rows[name], strict=True))
        yield (
            f"| {name} | {quality} | {same} | {tokens / seconds:.2f} | {ratio:.2f} [{low:.2f}, {high:.2f}] | "
            f"{tokens / max(1, passes):.2f} |"
        )
    yield ""
    yield f"| {task}: drafts | passes | acceptance length | accepted by position (%) |"
    yield "|---|---|---|---|"
    for name in names:
        for source, drafts in draft_acceptance_by_source(
            part for row in rows[name] for part in row.drafts or ()
        ).items():
            shares = " ".join(f"{100 * share:.0f}" for share in drafts["acceptance_by_position"])
            yield f"| {name}, {source} | {drafts['passes']} | {drafts['acceptance_length']:.2f} | {shares} |"
    yield ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="GGUF file, folder or hub id of an autoregressive model")
    parser.add_argument("--drafter", type=Path, help="drafter folder [default: the bundled one]")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--task", action="append", choices=TASKS, help="repeatable [default: all]")
    parser.add_argument("--methods", type=lambda text: tuple(text.split(",")), help="some of: " + ", ".join(METHODS))
    parser.add_argument("--data", help="data folder, hub or sample")
    parser.add_argument("--problems", type=int, help="number of randomly drawn problems [default: all]")
    parser.add_argument("--max-new-tokens", type=int, default=512)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--minutes", type=float, help="stop after this time; the same command goes on")
    args = parser.parse_args()
    args.started = time.monotonic()
    networks = Networks()
    lines: list[str] = []
    for task in args.task or TASKS:
        only = sample_problems(task, args)
        if generate(task, only, args, networks):
            for name in args.methods or TASKS[task][1]:
                run(config(task, name, args, only), args.out / task / name)  # grades
        else:
            print("stopped after --minutes; the same command goes on", flush=True)
        if (args.out / task).is_dir():
            lines += tables(task, args)
    print("\n".join(lines))
    (args.out / "tables.md").write_text("\n".join(lines))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"drafting.py: {error}") from None
