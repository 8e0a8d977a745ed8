"""The pipeline on the bundled sample, as a user has it: tasks, groups, run again, refused, stopped at any moment."""

import gzip
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.docker
Command = Callable[..., "subprocess.CompletedProcess[str]"]
Process = subprocess.Popen[str]
Start = Callable[..., Process]
Judged = list[tuple[str, int, bool, str]]

SIZES = {"humaneval": 16, "mbpp": 16, "humaneval-plus": 16, "mbpp-plus": 15}
"""Problems of the bundled samples; of mbpp, those of the test split."""


def read(folder: Path, name: str = "verdicts.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def judged(folder: Path) -> Judged:
    """What a run found, row by row, so that doubled rows show."""
    return sorted((row["task_id"], row["sample_id"], row["passed"], row["status"]) for row in read(folder))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


@pytest.fixture(scope="module")
def finished(engine: None, command: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with finished reference runs of the four tasks, and what the commands printed."""
    folder = tmp_path_factory.mktemp("finished")
    for names in ("evalplus", "humaneval,mbpp"):
        done = command("run", "--task", names, "--data", "sample", "--out", folder)
        assert done.returncode == 0, done.stderr
        (folder / f"{names}.txt").write_text(done.stdout)
    return folder


@pytest.mark.parametrize("task", SIZES)
def test_the_official_solutions_of_the_sample_pass(task: str, finished: Path) -> None:
    found = judged(finished / task)
    assert len(found) == len({row[:2] for row in found}) == SIZES[task]
    assert {row[2:] for row in found} == {(True, "passed")}
    summary = json.loads((finished / task / "summary.json").read_text())
    assert summary["task"] == f"{task}-sample"
    assert summary["metrics"]["pass@1"]["value"] == 1.0
    assert summary["statuses"] == {"passed": SIZES[task]}
    assert (summary["problems"], summary["samples"], summary["speed"]) == (SIZES[task], SIZES[task], {})
    assert {row.get("base_passed") for row in read(finished / task)} == {True if task.endswith("-plus") else None}
    assert len(read(finished / task, "completions.jsonl")) == SIZES[task]


def test_a_group_gives_one_run_per_task_and_their_mean(finished: Path) -> None:
    printed = (finished / "evalplus.txt").read_text()
    for word in ("humaneval-plus-sample", "mbpp-plus-sample", "mean of evalplus", "base_pass@1"):
        assert word in printed
    assert str(finished / "mbpp-plus") in printed
    assert "mean" not in (finished / "humaneval,mbpp.txt").read_text()


def test_a_finished_run_again_changes_nothing_and_prints_the_same(finished: Path, cli: Command) -> None:
    before = contents(finished / "mbpp")
    done = cli("run", "--task", "humaneval,mbpp", "--data", "sample", "--out", finished)
    assert (done.returncode, done.stdout) == (0, (finished / "humaneval,mbpp.txt").read_text())
    assert contents(finished / "mbpp") == before
    assert "16 of 16 samples are graded already" in done.stderr


def test_a_run_graded_again_without_its_verdicts_generates_nothing(
    finished: Path, tmp_path: Path, cli: Command
) -> None:
    folder = Path(shutil.copytree(finished / "mbpp", tmp_path / "mbpp"))
    (folder / "verdicts.jsonl").unlink()
    before = contents(folder)
    assert cli("run", "--task", "mbpp", "--data", "sample", "--out", folder).returncode == 0
    assert contents(folder)["completions.jsonl"] == before["completions.jsonl"]
    assert judged(folder) == judged(finished / "mbpp")


@pytest.mark.parametrize(
    ("change", "place"),
    [(("--limit", 3), "samples.limit was null, now 3"), (("--seed", 1), "sampling.seed was 0, now 1")],
)
def test_a_changed_configuration_is_refused_and_nothing_is_lost(
    change: tuple[object, ...], place: str, finished: Path, cli: Command
) -> None:
    before = contents(finished / "humaneval")
    done = cli("run", "--task", "humaneval", "--data", "sample", "--out", finished / "humaneval", *change)
    assert done.returncode == 2
    assert place in done.stderr
    assert "another folder with --out" in done.stderr
    assert contents(finished / "humaneval") == before


def test_other_workers_are_no_other_configuration(finished: Path, cli: Command) -> None:
    arguments = ("--data", "sample", "--out", finished / "humaneval", "--workers", 1)
    assert cli("run", "--task", "humaneval", *arguments).returncode == 0


def test_with_several_tasks_a_refused_one_stops_all_before_any_work(
    finished: Path, tmp_path: Path, cli: Command
) -> None:
    shutil.copytree(finished / "mbpp", tmp_path / "mbpp")
    done = cli("run", "--task", "humaneval,mbpp", "--data", "sample", "--out", tmp_path, "--seed", 1)
    assert done.returncode == 2
    assert "sampling.seed" in done.stderr
    assert not (tmp_path / "humaneval").exists()


def test_tasks_without_official_solutions_are_left_out_and_named(engine: None, tmp_path: Path, cli: Command) -> None:
    data = tmp_path / "data"
    problem = {"name": "HumanEval_1_f", "language": "js", "prompt": "", "tests": "", "stop_tokens": []}
    sample = Path(__file__).parents[2] / "tasks/samples/humaneval.jsonl"
    files = {"multipl_e/2024-04/humaneval-js-reworded.jsonl": json.dumps(problem).encode() + b"\n"}
    files["humaneval/HumanEval.jsonl.gz"] = gzip.compress(sample.read_bytes())
    for name, content in files.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(content)
    done = cli("run", "--task", "multipl-e-js,humaneval", "--limit", 2, "--data", data, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "tasks omitted, since no official solutions were published for them: multipl-e-js" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["humaneval"]
    assert done.stdout.count("written to") == 1
    done = cli("run", "--task", "multipl-e-js", "--data", data, "--out", tmp_path / "none")
    assert done.returncode == 2
    assert "no official solutions were published for multipl-e-js; use --data sample, or another" in done.stderr
    assert not (tmp_path / "none").exists()


def test_tasks_without_a_sample_are_left_out_and_named(engine: None, tmp_path: Path, cli: Command) -> None:
    done = cli("run", "--task", "multipl-e-rs,humaneval", "--limit", 1, "--data", "sample", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "tasks omitted, since no sample data are bundled for them: multipl-e-rs" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["humaneval"]
    for names in ("multipl-e-rs", "multipl-e-rs,multipl-e-go"):
        done = cli("run", "--task", names, "--data", "sample", "--out", tmp_path / "none")
        assert done.returncode == 2
        assert f"no sample data are bundled for {names.replace(',', ', ')}; use --data DIR or --data hub" in done.stderr


def test_a_program_without_its_tests_is_refused_before_any_work(tmp_path: Path, cli: Command) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_text(json.dumps({"task_id": "HumanEval_1_digit_product", "program": "console.log(1)"}) + "\n")
    out = tmp_path / "out"
    done = cli("grade", "--task", "multipl-e-js", "--samples", file, "--data", "sample", "--out", out)
    assert done.returncode == 2
    assert "HumanEval_1_digit_product does not end with this problem's tests" in done.stderr
    assert not out.exists()


def test_limit_and_n_give_pass_at_k(engine: None, tmp_path: Path, cli: Command) -> None:
    options = ("--limit", 3, "--n", 5, "--k", "1,5")
    done = cli("run", "--task", "humaneval", "--data", "sample", "--out", tmp_path / "run", *options)
    assert done.returncode == 0
    assert judged(tmp_path / "run") == [(f"Sample/{i}", j, True, "passed") for i in range(3) for j in range(5)]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert {name: rate["value"] for name, rate in summary["metrics"].items()} == {"pass@1": 1.0, "pass@5": 1.0}
    assert (summary["problems"], summary["problems_of_task"], summary["samples"]) == (3, 16, 15)
    assert "pass@5" in done.stdout
    assert "3 of 16 problems" in done.stdout


def test_a_run_s_own_completions_are_graded_again_under_a_name(engine: None, tmp_path: Path, cli: Command) -> None:
    task, run, again = ("--task", "humaneval", "--data", "sample"), tmp_path / "run", tmp_path / "again"
    network = ("--backend", "ar", "--max-new-tokens", 64, "--option", "recipe=chat")
    assert cli("run", *task, *network, "--limit", 4, "--out", run).returncode == 0
    grade = ("grade", *task, "--samples", run / "completions.jsonl", "--model", "org/mine", "--out", again)
    refused = cli(*grade)
    assert refused.returncode == 2
    assert refused.stderr == (
        f"error: the samples in {run / 'completions.jsonl'} were generated with the recipe chat; "
        "add --option recipe=chat\n"
    )
    assert cli(*grade, "--option", "recipe=chat").returncode == 0
    assert judged(again) == judged(run)
    rows = [json.loads(line) for line in (run / "completions.jsonl").read_text().splitlines()]
    assert {row["form"] for row in rows} == {"answer"}
    assert json.loads((again / "summary.json").read_text())["model"] == "org/mine"
    assert "| mine " in cli("leaderboard", again).stdout


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the command without waiting for it, and ends what a failed test leaves of it."""
    processes = []

    def started(*arguments: object) -> Process:
        words = [str(Path(sys.executable).with_name("evalharness")), *map(str, arguments)]
        processes.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield started
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_stopped_at_any_moment_it_ends_soon_and_goes_on_to_the_same_end(
    finished: Path, tmp_path: Path, start: Start, cli: Command
) -> None:
    """Also while containers start and samples are being judged."""
    run = ("run", "--task", "humaneval-plus", "--data", "sample", "--n", 20)
    moments = random.Random(0)
    for number in range(12):
        out, count = tmp_path / str(number % 2), moments.randrange(0, 60)
        process = start(*run, "--out", out)
        deadline = time.monotonic() + 60
        verdicts = out / "verdicts.jsonl"
        count += verdicts.read_bytes().count(b"\n") if verdicts.exists() else 0
        while process.poll() is None and not (verdicts.exists() and verdicts.read_bytes().count(b"\n") >= count):
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(moments.choice([signal.SIGINT, signal.SIGTERM]))
        _, errors = process.communicate(timeout=15)
        assert process.returncode in (130, 0), errors
        assert "Traceback" not in errors
    for number in range(2):
        assert cli(*run, "--out", tmp_path / str(number)).returncode == 0
        expected = [(row[0], j, *row[2:]) for row in judged(finished / "humaneval-plus") for j in range(20)]
        assert judged(tmp_path / str(number)) == sorted(expected)
