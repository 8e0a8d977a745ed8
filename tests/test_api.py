"""The public Python API gives what the command line gives."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import evalharness as eh

pytestmark = pytest.mark.docker
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def finished(engine: None, tmp_path_factory: pytest.TempPathFactory) -> eh.Run:
    """A run of four problems, of whose samples three are right."""
    folder = tmp_path_factory.mktemp("api")
    reference = eh.run("humaneval", data="sample", limit=4, out=folder / "reference", progress=False)
    rows = [{"task_id": row.task_id, "solution": row.text} for row in reference.completions()]
    rows[1]["solution"] = "def wrong(): pass"
    (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return eh.grade(
        "humaneval",
        folder / "samples.jsonl",
        "m",
        data="sample",
        out=folder / "graded",
        progress=False,
        workers=2,
    )


def test_a_run_has_summary_samples_and_a_table(finished: eh.Run) -> None:
    assert finished.summary["metrics"]["pass@1"]["value"] == 0.75
    assert [sample.passed for sample in finished.samples()].count(False) == 1
    table = finished.to_pandas()
    assert len(table) == 4
    assert {"task_id", "sample_id", "text", "passed", "status", "cpu_s"} <= set(table.columns)
    assert table["passed"].mean() == 0.75
    again = eh.load_run(finished.folder)
    assert again.summary == finished.summary
    assert again.manifest["config"]["backend"]["model"] == "m"


def test_runs_are_compared_and_ranked(finished: eh.Run) -> None:
    reference = finished.folder.parent / "reference"
    comparison = eh.compare(reference, finished)
    assert comparison.rates == (1.0, 0.75)
    table = eh.leaderboard([reference, finished])
    assert list(table["pass@1"]) == [1.0, 0.75]
    assert list(table["tokens_per_s"].isna()) == [True, True]


def test_the_frontier_is_data_and_a_picture(finished: eh.Run, tmp_path: Path) -> None:
    fast = eh.run(
        "humaneval",
        "ar",
        data="sample",
        limit=2,
        max_new_tokens=8,
        out=tmp_path / "ar",
        options={"trace": False},
        progress=False,
    )
    panels = eh.frontier([fast, tmp_path / "ar"], out=tmp_path / "frontier.png")
    assert len(panels) == 1
    assert (tmp_path / "frontier.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("unknown keyword argument 'limits'; did you mean limit", {"task": "humaneval", "limits": 3}),
        ("unknown task 'humanevil'", {"task": "humanevil"}),
        ("--workers 0 is not possible; it must be at least 1", {"task": "humaneval", "workers": 0}),
        ("--n 2 at temperature 0", {"task": "humaneval", "backend": "ar", "n": 2, "temperature": 0}),
        ("unknown option 'thrshold'", {"task": "humaneval", "backend": "diffusion", "options": {"thrshold": 1}}),
    ],
)
def test_a_mistake_is_a_user_error_and_writes_nothing(tmp_path: Path, message: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(eh.UserError, match=message):
        eh.run(**arguments, data="sample", out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_run_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(eh.UserError, match=r"is not a run directory \(no manifest\.json\)"):
        eh.load_run(tmp_path)


def test_an_import_is_fast_and_loads_no_torch() -> None:
    code = "import sys, evalharness; evalharness.run; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
