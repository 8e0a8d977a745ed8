"""Text from models and data is shown as text, whatever it contains: it is never executed and never breaks the page."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import page_runs

from evalharness.records import Completion, Problem, Verdict
from evalharness.report.page.page import STATIC, write_report
from evalharness.report.runs import load_runs
from evalharness.util.visible import CONTROL_CHARACTERS

Open = Callable[..., Any]

RUN = "document.documentElement.dataset.owned='yes'"
EVIL = (
    f'</script></template></style><img src=x onerror="{RUN}"><script>{RUN}</script><svg onload="{RUN}">'
    f'<a href="javascript:{RUN}">x</a>${{{RUN}}}`\'\\"]}});{RUN}//\n'
    "$frontier ${frontier} {{ 7*7 }} <!--\u2028\u2029\x00\ud800\u202e"
)
IDS = ("__proto__", EVIL, "../../../etc/passwd", "constructor", "a?b#c&d=e%2F/0")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in which every text that can come from outside is hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = [
        {"task_id": name, "prompt": f"def f():\n    '''{EVIL}'''\n", "canonical_solution": EVIL, "test": EVIL,
         "entry_point": EVIL} for name in IDS
    ]  # fmt: skip
    (folder / "data" / "humaneval").mkdir(parents=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "data" / "humaneval" / "HumanEval.jsonl.gz").write_bytes(gzip.compress(lines.encode()))

    def answer(problem: Problem, number: int) -> tuple[Completion, Verdict]:
        trace = page_runs.trace_of(EVIL, tail=EVIL)
        text = f"```{EVIL.splitlines()[0]}\n{EVIL}\n```" if number else EVIL
        completion = Completion(
            problem.task_id,
            number,
            text,
            output_tokens=9,
            started_at=number,
            total_s=1.0,
            trace=trace,
            finish_reason=EVIL,
        )
        return completion, Verdict(problem.task_id, number, False, "failed", detail=EVIL, borderline=EVIL)

    page_runs.write_run(folder / "runs" / "a", "humaneval", answer, n=2, backend=EVIL, model=EVIL, data=folder / "data")
    write_report(load_runs([folder / "runs"]), folder / "page", data_source=str(folder / "data"))
    return folder / "page"


def test_hostile_text_is_shown_and_not_executed(hostile: Path, visit: Open) -> None:
    page = visit(folder=hostile)
    page.wait_for_selector("table.runs")
    page.click("table.runs tbody th a")
    page.wait_for_selector(".rows .row")
    assert page.locator(".row").count() == 10
    for number in range(10):
        page.keyboard.press("j")
        page.wait_for_function(
            "text => document.querySelector('.place')?.textContent === text", arg=f"{number + 1} of 10"
        )
        sample = page.locator("article.sample")
        assert sample.locator("pre.code", has_text="<img src=x onerror=").count() >= 3
        page.keyboard.press("t")
        page.keyboard.press("Home")
        page.keyboard.press("End")
        assert page.locator(".pane img, main script, main iframe, main svg[onload]").count() == 0
    page.fill("#search", "onerror")
    page.check("text=also in prompts, completions and test output")
    page.wait_for_function("() => /^10 samples$/.test(document.querySelector('.count').textContent)")
    assert page.evaluate("document.documentElement.dataset.owned") is None


def test_controls_are_shown_as_text(hostile: Path, visit: Open) -> None:
    page = visit(folder=hostile)
    page.wait_for_selector("table.runs")
    seen = [page.evaluate("document.body.textContent")]
    page.click("table.runs tbody th a")
    page.wait_for_selector(".rows .row")
    seen.append(page.evaluate("document.querySelector('main').textContent"))
    page.keyboard.press("j")
    page.wait_for_selector("article.sample pre.code")
    seen.append(page.evaluate("document.querySelector('main').textContent"))
    for text in seen:
        assert not CONTROL_CHARACTERS.search(text.replace("\r", "")), text
    assert "\\u202e" in seen[-1]


def test_an_address_with_a_hostile_id_opens_its_sample(hostile: Path, visit: Open) -> None:
    page = visit(folder=hostile)
    for name in IDS:
        page.evaluate("name => { location.hash = evalharness.sampleLink('a', name, 1); }", name)
        page.wait_for_function(
            "name => document.querySelector('.title h1')?.textContent.startsWith(evalharness.visible(name))", arg=name
        )


def test_every_data_file_is_one_call_in_ascii(hostile: Path) -> None:
    files = list((hostile / "data").rglob("*.js"))
    assert len(files) >= 4
    for path in files:
        text = path.read_bytes().decode("ascii")
        assert text.count("\n") == 1
        call = re.fullmatch(r'evalharness\.receive\("[a-z0-9/]+",(.*)\);\n', text)
        assert call, path
        json.loads(call.group(1))


def test_no_script_of_the_page_parses_text_as_html_or_code() -> None:
    for path in STATIC.glob("*.js"):
        words = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser", path.read_text()
        )
        assert words == [], path
