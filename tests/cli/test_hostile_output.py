"""What models and endpoints wrote reaches the terminal as text: no command prints a control character."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.made_runs import write_run

from evalharness.util.visible import CONTROLS

Command = Callable[..., "subprocess.CompletedProcess[str]"]
EVIL = "\x1b[31m[bold]red[/bold]\x1b]0;title\x07\u202egnp.exe\u2066\x00\ud800"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for number in range(2):
        folder = write_run(tmp_path / f"run{number}", f"{EVIL}{number}", [bool(number), True, False])
        rows = folder / "verdicts.jsonl"
        rows.write_text(rows.read_text().replace("AssertionError", "\\u001b[2J\\u202e"))
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("leaderboard", "run0", "run1"),
        ("leaderboard", "run0", "run1", "--format", "csv"),
        ("leaderboard", "run0", "run1", "--format", "latex"),
        ("leaderboard", "run0", "run1", "--format", "html"),
        ("compare", "run0", "run1", "--show", "2"),
        ("frontier", "run0", "run1", "--out", "picture.html"),
        ("show", "run0", "p/2"),
        ("show", "run0", f"p{EVIL}".replace("\x00", "").replace("\ud800", "")),
    ],
    ids=lambda arguments: " ".join(arguments[::3]),
)
def test_no_command_prints_a_control_character(
    arguments: tuple[str, ...], runs: Path, cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs)
    done = cli(*arguments)
    assert "Traceback" not in done.stderr
    assert not CONTROLS.search(done.stdout + done.stderr)
    assert "x1b" in done.stdout + done.stderr + "".join(path.read_text() for path in runs.glob("picture.*"))
