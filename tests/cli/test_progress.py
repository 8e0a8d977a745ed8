"""Progress outside a terminal, in lines, and in a terminal, in bars with tokens/s."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalharness.generation.token_meter import generated_tokens
from evalharness.pipeline import progress
from evalharness.pipeline.progress import ProgressCounts, format_duration
from evalharness.records import Completion, Verdict

Command = Callable[..., Any]
RUN = ("run", "--task", "humaneval", "--data", "sample", "--backend", "ar", "--max-new-tokens", "60")
LINE = re.compile(
    r"\d+ of 16 generated, \d+ graded, (\d+ % passed, )?[\d.e-]+ samples/s, ([\d,]+ tokens/s, )?"
    r"(about [\d.]+ (s|min|h) left|time left unknown)"
)


@pytest.mark.docker
def test_outside_a_terminal_a_line_is_printed_at_regular_times(
    cli: Command, engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_INTERVAL_S", 0.3)
    done = cli(*RUN, "--batch-size", 4, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if " of 16 generated" in line]
    assert lines
    assert all(LINE.fullmatch(line) for line in lines), lines
    assert any("tokens/s" in line for line in lines)


@pytest.mark.docker
@pytest.mark.slow
def test_in_a_terminal_tokens_per_second_are_shown_within_the_only_batch(engine: None, tmp_path: Path) -> None:
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    code = "from evalharness.cli.main import main; main()"
    words = [sys.executable, "-c", code, *RUN, "--batch-size", "16", "--out", str(tmp_path / "run")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=writer, env={**os.environ, "TERM": "xterm"})
    os.close(writer)
    shown = b""
    while True:
        try:
            shown += os.read(reader, 1 << 16)
        except OSError:
            break
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert re.search(r"generated .* 0/16 [\d,]+ tokens/s", text), text[-2000:]


def test_counts_tell_rows_rate_tokens_passes_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    counts = ProgressCounts(100, 20, 10)
    now[0] = 110.0
    assert counts.progress_line() == "20 of 100 generated, 10 graded, 0 samples/s, time left unknown"
    for number in range(10):
        counts.add_completion(Completion("a", number, "", output_tokens=50))
    assert counts.progress_line() == "30 of 100 generated, 10 graded, 1 samples/s, 50 tokens/s, about 70 s left"
    for number, status in enumerate(("passed", "passed", "failed", "timeout", "infrastructure")):
        counts.add_verdict(Verdict("a", number, status == "passed", status))  # type: ignore[arg-type]
    assert counts.progress_line() == (
        "30 of 100 generated, 15 graded, 50 % passed, 0.5 samples/s, 50 tokens/s, about 3 min left"
    )
    generated_tokens.add(2000)
    assert counts.tokens_per_s_text == "200 tokens/s"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (5900, "98 min"), (7200, "2.0 h")]
)
def test_durations_have_one_unit(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
