"""`evalharness show`, and the same on the report page: the program that ran, and its tests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
ANSWER = "Sure:\n```python\nimport math\n\ndef tiered_charge(*arguments):\n    return math.pi\n```"


@pytest.fixture(scope="module")
def run(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a chat answer for each of two problems; the second has two samples."""
    import evalharness as eh

    folder = tmp_path_factory.mktemp("show")
    rows = [("Sample/0", 0, ANSWER), ("Sample/1", 0, ANSWER), ("Sample/1", 1, "")]
    lines = [
        json.dumps({"task_id": task_id, "sample_id": number, "text": text, "form": "answer"})
        for task_id, number, text in rows
    ]
    (folder / "samples.jsonl").write_text("\n".join(lines) + "\n")
    options = {"recipe": "chat"}
    eh.grade("humaneval", folder / "samples.jsonl", data="sample", options=options, out=folder / "run", progress=False)
    return folder / "run"


def parts_of(text: str) -> dict[str, str]:
    """The printed parts by their names."""
    pieces = text.split("=== ")[1:]
    return {name: part.strip("\n") for name, _, part in (piece.partition(" ===\n") for piece in pieces)}


@pytest.mark.docker
def test_prompt_answer_program_tests_verdict_and_output_are_printed(run: Path, cli: Command) -> None:
    done = cli("show", run, "Sample/0")
    assert (done.returncode, done.stderr) == (0, "")
    parts = parts_of(done.stdout)
    assert "Complete this Python function" in parts["prompt, user"]
    assert parts["answer"] == ANSWER
    [program] = [name for name in parts if name.startswith("program")]
    assert "math.pi" in parts[program]
    assert "```" not in parts[program]
    assert "def check(candidate)" in parts["tests"]
    assert parts["verdict"].startswith(("error", "failed"))
    assert parts["output"]


@pytest.mark.docker
def test_a_sample_or_problem_that_is_not_there_is_named(run: Path, cli: Command, tmp_path: Path) -> None:
    assert parts_of(cli("show", run, "Sample/1", "1").stdout)["answer"] == "(empty)"
    for arguments, message in [
        ((run, "Sample/1", 7), "error: Sample/1 has no sample 7; its samples are 0, 1\n"),
        ((run, "Sample/11"), f"error: {run} has no problem 'Sample/11'; did you mean Sample/1 or Sample/0?\n"),
        ((run, "x"), f"error: {run} has no problem 'x'; give an id such as Sample/0, Sample/1\n"),
        (
            (tmp_path, "x"),
            f"error: {tmp_path} is not a run directory (no manifest.json); give the folder of a run\n",
        ),
    ]:
        done = cli("show", *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


@pytest.mark.docker
def test_the_report_page_has_program_and_tests(run: Path, cli: Command, tmp_path: Path) -> None:
    assert cli("report", run, "--out", tmp_path / "page").returncode == 0
    samples = (tmp_path / "page" / "data" / "run" / "sample0.js").read_text()
    rows = json.loads(samples.partition(",")[2].rpartition(")")[0])
    assert "math.pi" in rows[0]["program"]
    assert "Sure:" not in rows[0]["program"]
    prompts = (tmp_path / "page" / "data" / "run" / "prompt0.js").read_text()
    assert "def check(candidate)" in json.loads(prompts.partition(",")[2].rpartition(")")[0])[0]["tests"]


def test_a_dry_run_prints_prompts_requests_tokens_and_price(cli: Command, tmp_path: Path) -> None:
    model = ("--backend", "openai", "--model", "m", "--n", 3, "--temperature", 1, "--max-new-tokens", 1000)
    out = tmp_path / "out"
    run = ("run", "--task", "humaneval", "--data", "sample", "--limit", 2, *model, "--out", out, "--dry-run")
    done = cli(*run, "--option", "recipe=chat", "--price-in", 1000, "--price-out", 2000)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--- Sample/0, user ---\nComplete this Python function" in done.stdout
    assert f"humaneval-sample: 2 problems, 6 samples, into {out}; 6 requests, about " in done.stdout
    line = next(line for line in done.stdout.splitlines() if "6 requests" in line)
    tokens = int(line.split("about ")[1].split()[0].replace(",", ""))
    assert "at most 6,000 output tokens (1,000 each)" in line
    assert f"at most {(tokens * 1000 + 6000 * 2000) / 1e6:.2f} at these prices" in line
    assert not out.exists()
    done = cli(*run)
    assert "--- Sample/0, stop sequences: '\\nclass'" in done.stdout
    assert "these prices" not in done.stdout
    assert cli(*run, "--price-in", 1).stderr == "error: the cost needs both prices; give --price-in and --price-out\n"
    done = cli(*run[:-1], "--price-in", 1, "--price-out", 1)
    assert done.stderr == "error: --price-in and --price-out only work with --dry-run; add it, or leave them out\n"


def test_a_dry_run_refuses_what_a_run_refuses(cli: Command, tmp_path: Path) -> None:
    done = cli(
        "run", "--task", "humaneval", "--data", "sample", "--option", "recipe=cat", "--dry-run", "--out", tmp_path
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "recipe of humaneval 'cat'; did you mean chat" in done.stderr


def test_own_system_message_and_prompt_template(cli: Command, tmp_path: Path) -> None:
    model = ("--backend", "openai", "--model", "m", "--out", tmp_path / "out", "--dry-run", "--limit", 1)
    run = ("run", "--task", "humaneval", "--data", "sample", *model)
    (tmp_path / "p.yaml").write_text("system: Be brief.\nuser: |\n  Solve:\n  {prompt}\n")
    done = cli(*run, "--option", "recipe=chat", "--option", f"prompt={tmp_path / 'p.yaml'}")
    assert "--- Sample/0, system ---\nBe brief.\n--- Sample/0, user ---\nSolve:\nfrom typing" in done.stdout, (
        done.stderr
    )
    (tmp_path / "p.txt").write_text("# Python\n{prompt}")
    done = cli(*run, "--option", f"prompt={tmp_path / 'p.txt'}")
    assert "--- Sample/0, text ---\n# Python\nfrom typing" in done.stdout, done.stderr
    for content, message in [
        ("user: x", "unknown template 'user'; known: prompt"),
        ("prompt: 3", "the template prompt is not a text"),
        ("[]", "contains no template; write one under its name, such as prompt: TEXT"),
        ("a: [", "is not valid YAML"),
    ]:
        (tmp_path / "p.yaml").write_text(content)
        done = cli(*run, "--option", f"prompt={tmp_path / 'p.yaml'}")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert message in done.stderr
    assert "cannot be read: " in cli(*run, "--option", "prompt=/none.yaml").stderr
    done = cli(*run, "--option", f"prompt={tmp_path / 'p.txt'}", "--task", "fim-single-line")
    assert "not for infilling; remove it" in done.stderr
