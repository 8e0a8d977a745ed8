"""`evalharness doctor` tells GPU, memory and disk."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalharness.cli.listing import machine

Command = Callable[..., Any]


def line_of(text: str, word: str) -> str:
    [line] = [line for line in text.splitlines() if line[8:].startswith(word)]
    return line


def test_gpu_memory_and_disk_are_told(cli: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    text = cli("doctor").stdout
    assert re.search(r"(?m)^(ok      GPU .+ GiB|note    (no GPU|GPU): )", text)
    assert re.fullmatch(
        r"(ok  |note)    memory [\d.]+ GiB, [\d.]+ GiB available, \d+ CPU cores.*", line_of(text, "memory")
    )
    assert re.search(r"(?m)^(ok  |note)    disk \d+ GiB free for results", text)


def test_little_memory_and_disk_are_notes_that_say_what_to_do(cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    monkeypatch.setattr(machine, "LOW_MEMORY_BYTES", 1 << 60)
    monkeypatch.setattr(machine, "LOW_DISK_BYTES", 1 << 60)
    text = cli("doctor").stdout
    assert line_of(text, "memory").startswith("note")
    assert line_of(text, "memory").endswith("; use fewer --workers, or end other programs")
    assert re.search(r"(?m)^note    disk .*; free some space$", text)


def test_memory_is_that_of_the_control_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    total, _ = machine.total_and_available_memory_bytes()
    (tmp_path / "memory.max").write_text(f"{total // 2}\n")
    monkeypatch.setattr(machine, "CGROUP_LIMIT", tmp_path / "memory.max")
    assert machine.total_and_available_memory_bytes()[0] == total // 2
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.total_and_available_memory_bytes()[0] == total
