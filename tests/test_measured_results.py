"""The run directories in results/measured, behind figures of README and docs."""

import re
from pathlib import Path

import pytest

import evalharness as eh
from evalharness.data.run_files import read_completions

FOLDER = Path(__file__).parents[1] / "results" / "measured"
HUMANEVAL = FOLDER / "qwen2.5-coder-0.5b" / "humaneval"


@pytest.mark.parametrize("method", ["lookup", "drafter", "hybrid"])
def test_lossless_methods_wrote_the_texts_of_plain_decoding(method: str) -> None:
    plain, other = ({row.task_id: row.text for row in read_completions(HUMANEVAL / name)} for name in ("ar", method))
    assert len(plain) >= 50
    assert other == plain


@pytest.mark.parametrize("run", sorted(FOLDER.glob("*/*/*")), ids=lambda run: run.name)
def test_measured_runs_open_and_name_no_path(run: Path) -> None:
    assert eh.load_run(run).manifest["config"]["task"]["data"]["official"]
    assert not re.search(r"[\"\s]/", (run / "manifest.json").read_text())
