"""The executor `ray` without the package Ray, and the pickling of tasks for other machines."""

import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evalharness.adapters import open_task
from evalharness.cluster.worker import GenerationWorker, GradingWorker
from evalharness.data.cards import load_cards
from evalharness.records import CallsProgram, Completion
from evalharness.util.paths import bundled_folder

SAMPLES = bundled_folder("tasks") / "samples"
Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_without_ray_the_error_names_the_command_that_installs_it(
    cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    done = cli("run", "--task", "mbpp", "--data", "sample", "--executor", "ray")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "pip install 'evalharness[ray]'" in done.stderr


def test_an_unknown_executor_is_refused(cli: Command) -> None:
    done = cli("run", "--task", "mbpp", "--data", "sample", "--executor", "rai")
    assert done.returncode == 2
    assert "ray" in done.stderr


def test_the_executor_local_does_not_import_ray() -> None:
    code = (
        "import sys; import evalharness.cli.main, evalharness.pipeline.run;"
        "import evalharness.pipeline.executors, evalharness.pipeline.sweep;"
        "import evalharness.cluster.executor, evalharness.cluster.worker;"
        "sys.exit('ray' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_each_remote_call_names_a_method_of_a_worker() -> None:
    root = Path(__file__).parents[2]
    paths = [*(root / "evalharness" / "cluster").glob("*.py"), *(root / "benchmarks").glob("ray_*.py")]
    call = re.compile(r"actors?(?:\[\d\])?\.(\w+)\.(?:remote|options)\(")
    called = {name for path in paths for name in call.findall(path.read_text(encoding="utf-8"))}
    assert {"grade_completions", "generate"} <= called <= {*dir(GradingWorker), *dir(GenerationWorker)}


def sample_tasks() -> list[str]:
    """The tasks that have a bundled sample."""
    return [name for card in load_cards() for name in card.tasks if (SAMPLES / f"{name}.jsonl").exists()]


@pytest.mark.parametrize("name", sample_tasks())
def test_every_task_can_be_pickled(name: str) -> None:
    task, _ = open_task(name, "sample", {})
    problems = {problem.task_id: problem for problem in task.problems()}
    sent, sent_problems = pickle.loads(pickle.dumps((task, problems)))
    for task_id, problem in problems.items():
        completion = Completion(task_id, 0, problem.reference or "pass", form="solution")
        here, there = task.program(problem, completion), sent.program(sent_problems[task_id], completion)
        assert (here is None) == (there is None)
        if here and there:
            reference = getattr(here, "reference", None)  # compared by identity
            assert here == (replace(there, reference=reference) if isinstance(there, CallsProgram) else there)
            again = sent.program(sent_problems[task_id], completion)
            assert not isinstance(there, CallsProgram) or again.reference is there.reference
