"""A report of 10,000 samples is written in seconds, opens at once, and is searched to its last text."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import page_runs

from evalharness.report.page.page import write_report
from evalharness.report.runs import load_runs

Open = Callable[..., Any]
PER_PROBLEM = 625  # of 16 problems


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The report of a run of 10,000 samples, and the seconds that writing it took."""
    folder = tmp_path_factory.mktemp("many")
    run = page_runs.write_run(folder / "many", "humaneval", page_runs.cycling(["passed", "failed", "timeout"]))
    for name in ("completions.jsonl", "verdicts.jsonl"):
        rows = [json.loads(line) for line in (run / name).read_text().splitlines()]
        with (run / name).open("w") as file:
            for number in range(PER_PROBLEM):
                for row in rows:
                    more = {"text": f"{row['text']}    # variant {number}\n"} if "text" in row else {}
                    file.write(json.dumps({**row, "sample_id": number, **more}) + "\n")
    runs = load_runs([run])
    start = time.perf_counter()
    write_report(runs, folder / "page")
    return folder / "page", time.perf_counter() - start


def test_ten_thousand_samples_are_written_in_seconds(many: tuple[Path, float]) -> None:
    assert many[1] < 10  # about 1 s on an idle machine


def test_every_data_file_is_small_enough_to_load_on_demand(many: tuple[Path, float]) -> None:
    sizes = {path.name: path.stat().st_size for path in (many[0] / "data").rglob("*.js")}
    assert sizes.pop("rows.js") < 1_500_000
    assert max(sizes.values()) < 300_000


def test_the_list_shows_and_filters_them_at_once(many: tuple[Path, float], visit: Open) -> None:
    page = visit("#/run/many", folder=many[0])
    page.wait_for_selector(".rows .row")
    assert page.inner_text(".count") == "10,000 samples"
    assert page.locator(".row").count() < 60  # only visible rows are elements
    page.evaluate("() => { const s = document.querySelector('.scroller'); s.scrollTop = s.scrollHeight; }")
    page.wait_for_selector(".row:has-text('Sample/15 #624')")
    milliseconds = page.evaluate(
        """async () => {
            const select = document.querySelector("select[aria-label='Any verdict']");
            const start = performance.now();
            select.value = "timeout";
            select.dispatchEvent(new Event("change"));
            const count = document.querySelector(".count");
            while (!/ of 10,000/.test(count.textContent)) await new Promise(requestAnimationFrame);
            return performance.now() - start;
        }"""
    )
    assert milliseconds < 1000  # about 20 ms on an idle machine


def test_the_search_finds_a_text_in_the_last_chunk(many: tuple[Path, float], visit: Open) -> None:
    page = visit("#/run/many?q=variant+624&in=1", folder=many[0])
    page.wait_for_function("() => document.querySelector('.count')?.textContent === '16 of 10,000 samples'")


def test_many_runs_are_filtered_by_words_of_their_names(tmp_path: Path, visit: Open) -> None:
    original = page_runs.write_run(tmp_path / "runs" / "m0", "humaneval", page_runs.cycling(["passed"]), model="org/m0")
    for number in range(1, 15):
        folder = Path(shutil.copytree(original, tmp_path / "runs" / f"m{number}"))
        for name in ("manifest.json", "summary.json"):
            (folder / name).write_text((folder / name).read_text().replace("org/m0", f"org/m{number}"))
    write_report(load_runs([tmp_path / "runs"]), tmp_path / "page")
    page = visit(folder=tmp_path / "page")
    page.fill("[aria-label='Filter runs']", "human M14")
    rows = page.locator("table.runs tbody tr:visible")
    assert rows.count() == 1
    assert "m14" in rows.inner_text()
    page.fill("[aria-label='Filter runs']", "")
    assert rows.count() == 15
