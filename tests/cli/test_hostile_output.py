"""What models and endpoints wrote reaches the terminal as text: no command prints a control character."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.made_runs import write_run

from evalharness.util.visible import CONTROL_CHARACTERS

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
    assert not CONTROL_CHARACTERS.search(done.stdout + done.stderr)
    assert "x1b" in done.stdout + done.stderr + "".join(path.read_text() for path in runs.glob("picture.*"))


@pytest.mark.parametrize("arguments", [("leaderboard", "run0"), ("compare", "run0", "run1"), ("tasks",)])
def test_output_to_a_full_device_is_one_line(arguments: tuple[str, ...], runs: Path) -> None:
    program = str(Path(sys.executable).with_name("evalharness"))
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([program, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, cwd=runs)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert (
        line == "error: cannot write to stdout or stderr: No space left on device; redirect the output to another file"
    )


def test_a_report_on_a_full_disk_is_one_line_and_leaves_nothing(
    runs: Path, cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise shutil.Error([("a", "b", "[Errno 28] No space left on device: 'b'")])

    monkeypatch.setattr(shutil, "copytree", full)
    done = cli("report", runs / "run0", "--out", runs / "page")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: cannot write to {runs / 'page'}: No space left on device; choose another")
    assert not (runs / "page").exists()
