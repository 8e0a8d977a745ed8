import json
import sys
from pathlib import Path

import pytest
from helpers.example_packages import EXAMPLES, RunWithExample

MODEL = """\
import sys
prompt = sys.stdin.read()
if "damped_readings" in prompt:
    sys.exit("out of memory")
print("    return None" + chr(10) + "def unused(): pass")
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    file = tmp_path / "model.py"
    file.write_text(MODEL)
    return f"program={sys.executable} {file}"


@pytest.mark.docker
def test_backend_of_the_documentation_runs(
    run_with_example: RunWithExample, engine: None, program: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    run = ("run", "--task", "humaneval", "--data", "sample", "--limit", 3, "--backend", "command", "--out", out)
    done = run_with_example("custom_backend", *run, "--option", program)
    assert done.returncode == 1, done.stderr
    rows = [json.loads(line) for line in (out / "completions.jsonl").read_text().splitlines()]
    assert [(row["task_id"], row["text"]) for row in rows] == [
        ("Sample/0", "    return None"),
        ("Sample/2", "    return None"),
    ]
    assert all(row["total_s"] > 0 for row in rows)
    verdicts = [json.loads(line) for line in (out / "verdicts.jsonl").read_text().splitlines()]
    statuses = {row["task_id"]: row["status"] for row in verdicts}
    assert statuses == {"Sample/0": "error", "Sample/1": "infrastructure", "Sample/2": "failed"}
    assert "out of memory" in done.stderr + done.stdout


def test_backend_refuses_chat_prompts_and_unknown_options(
    run_with_example: RunWithExample, program: str, tmp_path: Path
) -> None:
    run = ("run", "--task", "humaneval", "--data", "sample", "--backend", "command", "--out", tmp_path / "run")
    chat = run_with_example("custom_backend", *run, "--option", program, "--option", "recipe=chat")
    assert (chat.returncode, "only continues text" in chat.stderr) == (2, True)
    unknown = run_with_example("custom_backend", *run, "--option", "programme=x")
    assert (unknown.returncode, "program" in unknown.stderr) == (2, True)


def test_backend_is_short() -> None:
    assert (EXAMPLES / "custom_backend" / "command_backend.py").read_text().count("\n") < 80
