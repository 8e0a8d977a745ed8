"""A program that opens its source once more than its language does is noticed, whatever path it uses."""

import subprocess
import sys
from pathlib import Path

import pytest

from evalharness.sandbox.agent.judge.file_watch import FileWatch
from evalharness.sandbox.agent.judge.program_source import ProgramSource

READ = "open(sys.argv[1]).read()"
WAYS = {
    "its path": READ,
    "a link": "os.symlink(sys.argv[1], 'link'); open('link').read()",
    "a hard link": "os.link(sys.argv[1], 'link'); open('link').read()",
    "a descriptor": "f = open(sys.argv[1]); open(f'/proc/self/fd/{f.fileno()}').read()",
    "another name": "os.rename(sys.argv[1], 'renamed'); open('renamed').read()",
    "a child": "subprocess.run(['cat', sys.argv[1]], stdout=-3)",
    "no more than a look": "os.close(os.open(sys.argv[1], os.O_RDONLY))",
}


def run(code: str, file: Path) -> None:
    words = [sys.executable, "-c", f"import os, subprocess, sys\n{code}", str(file)]
    subprocess.run(words, check=True, cwd=file.parent)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_open_the_source_counts(way: str, tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_text("text")
    watch = FileWatch({"program": 1}, str(tmp_path))
    run(READ, file)
    watch.count_openings()
    assert not watch.violation
    run(WAYS[way], file)
    watch.count_openings()
    assert watch.violation == "the program opens program itself, which is not allowed"
    watch.close()


@pytest.mark.parametrize("name", ["mem", "cmdline"])
def test_opening_memory_or_command_line_counts(name: str, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", f"input(); open('/proc/self/{name}', 'rb')"], stdin=subprocess.PIPE
    )
    watch = FileWatch({}, str(tmp_path))
    watch.watch_process(process.pid)
    watch.count_openings()
    assert not watch.violation
    process.communicate(b"\n")
    watch.count_openings()
    assert watch.violation == f"the program opens /proc/PID/{name} itself, which is not allowed"


SCRIPT = b"""#!/bin/bash
# a comment
f() {
    echo "line $LINENO"
}
f
%b"""


@pytest.mark.parametrize(
    ("end", "output"),
    [
        (b"", "line 4\n"),
        (b"timeout 0.1 cat <&255", "line 4\n"),
        (b"cat $0", "line 4\n"),
        (b"exit 0\n", "line 4\n"),
        (b"f() {", ""),  # incomplete: nothing runs, as when the shell reads the end of a file
    ],
)
def test_a_shell_reads_its_program_whole_and_leaves_nothing(end: bytes, output: str, tmp_path: Path) -> None:
    source = ProgramSource(str(tmp_path / "program.sh"), SCRIPT % end, piped=True)
    watch = FileWatch({"program.sh": 1}, str(tmp_path))
    process = subprocess.Popen(["bash", "program.sh"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    while source.is_unopened_pipe() and process.poll() is None:
        watch.count_openings()
        if watch.opened["program.sh"]:
            source.replace_opened_pipe()
            watch.watch_file("program.sh")
    assert process.communicate(timeout=5)[0] == output
    watch.count_openings()
    assert bool(watch.violation) == (b"$0" in end)
    watch.close()


def test_a_source_is_removed_when_no_step_needs_it(tmp_path: Path) -> None:
    source = ProgramSource(str(tmp_path / "a.c"), b"text", piped=False)
    steps = [{"command": ["cc", "a.c"]}, {"command": ["./a"]}]
    source.remove_if_unused(steps[:1] * 2, steps[0])  # type: ignore[arg-type]
    assert (tmp_path / "a.c").exists()
    source.remove_if_unused(steps, steps[0])  # type: ignore[arg-type]
    assert not (tmp_path / "a.c").exists()
