"""The cases beside the repository, `../shared/cases`: through the command line, each has the verdict that it names.

They are answers that were judged wrongly once. The rule of a model's real answers is their README's: recipe `chat`, for
`livecodebench` version `three`, and no recipe for whole solutions.
"""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.local_http import free_port

from evalharness.data.cards import find_task
from evalharness.sandbox.engines import images

pytestmark = [pytest.mark.docker, pytest.mark.data]
Command = Callable[..., "subprocess.CompletedProcess[str]"]
FOLDER = Path(__file__).resolve().parents[3] / "shared" / "cases"
QUICK = ("humaneval", "mbpp", "humaneval-plus")
"""Tasks whose cases every run of the tests grades. The others take longer, or need another image."""


def rows_of_tasks() -> dict[tuple[str, bool], list[dict[str, Any]]]:
    """The rows of all files by task, those of chat answers apart, with new numbers for their samples."""
    tasks: dict[tuple[str, bool], list[dict[str, Any]]] = defaultdict(list)
    for path in sorted(FOLDER.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            rows = tasks[row["task"], "text" in row]
            rows.append({**row, "sample_id": len(rows), "file": path.name})
    return tasks


def parameters() -> Iterator[Any]:
    for task, is_chat in rows_of_tasks():
        marks = () if task in QUICK else pytest.mark.slow
        yield pytest.param(task, is_chat, id=f"{task}-{'chat' if is_chat else 'solution'}", marks=marks)


@pytest.mark.parametrize(("task", "is_chat"), list(parameters()))
def test_every_row_has_its_verdict(
    task: str, is_chat: bool, cli: Command, engine: None, datasets_dir: Path, tmp_path: Path
) -> None:
    card, entry = find_task(task)
    image = entry.image or card.image
    if task not in QUICK and not images.is_image_built(image):
        pytest.skip(f"the image {image} is not built")
    rows = rows_of_tasks()[task, is_chat]
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = [f"recipe={'chat' if is_chat else 'completion'}"] if task != "humaneval" or is_chat else []
    options += ["version=three"] if task == "livecodebench" else []
    given = [word for option in options for word in ("--option", option)]
    command = ("grade", "--task", task, "--data", datasets_dir, "--samples", tmp_path / "samples.jsonl")
    done = cli(*command, *given, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "run" / "verdicts.jsonl").read_text().splitlines()
    verdicts = {row["sample_id"]: row for row in map(json.loads, lines)}
    wrong = [(row["file"], row["text" if is_chat else "solution"], verdicts[row["sample_id"]]) for row in rows
             if verdicts[row["sample_id"]]["status"] != row["expected"]]  # fmt: skip
    assert not wrong


@pytest.fixture
def ask(
    cli: Command, engine: None, datasets_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """Starts the endpoint of the cases in a mode, runs problems of a task on it, and returns the ended command."""
    if not (FOLDER / "endpoint.py").exists():
        pytest.skip(f"no cases at {FOLDER}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    servers = []

    def run(mode: str, *arguments: object, task: str = "humaneval", answer: Path | None = None) -> Any:
        port = free_port()
        script = [sys.executable, str(FOLDER / "endpoint.py"), str(port), mode, *([str(answer)] if answer else [])]
        servers.append(subprocess.Popen(script))
        options = ("--option", f"base_url=http://127.0.0.1:{port}/v1", "--option", "recipe=chat")
        model = ("--backend", "openai", "--model", "m", *options, "--option", "max_retries=8")
        return cli("run", "--task", task, "--data", datasets_dir, *model, "--out", tmp_path / "run", *arguments)

    yield run
    for server in servers:
        server.kill()
        server.wait()


def completions(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "completions.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_a_heading_does_not_cut_an_answer(ask: Callable[..., Any], tmp_path: Path) -> None:
    if not images.is_image_built("livecodebench"):
        pytest.skip("the image livecodebench is not built")
    answer = FOLDER / "01-answer-heading.md"
    options = ("--only", "1873_A", "--n", 1, "--temperature", 0, "--option", "version=three")
    done = ask("answer", *options, task="livecodebench", answer=answer)
    assert done.returncode == 0, done.stderr
    assert completions(tmp_path / "run")[0]["text"] == answer.read_text()
    assert "1 passed" in done.stdout


def test_answers_at_the_token_limit_are_told(ask: Callable[..., Any]) -> None:
    done = ask("length", "--limit", 3)
    assert done.returncode == 0, done.stderr
    assert "3 of 3 answers reached the token limit" in done.stdout
    assert "3 of 3 answers were reasoning alone" in done.stdout


def test_a_refused_prompt_is_settled_alone(ask: Callable[..., Any], tmp_path: Path) -> None:
    done = ask("filter", "--only", "HumanEval/52,HumanEval/53,HumanEval/54")
    assert done.returncode == 0, done.stderr
    assert "1 of 3 answers was refused" in done.stdout
    assert "refused: HumanEval/53: " in done.stdout
    [refused] = [row for row in completions(tmp_path / "run") if row["finish_reason"] == "refused"]
    assert refused["task_id"] == "HumanEval/53"


def test_an_error_in_the_stream_is_asked_again(ask: Callable[..., Any], tmp_path: Path) -> None:
    done = ask("flat", "--only", "HumanEval/53")
    assert done.returncode == 0, done.stderr
    assert completions(tmp_path / "run")[0]["text"].startswith("```python\ndef add")
    assert "1 passed" in done.stdout
