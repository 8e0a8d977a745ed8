"""A sweep on a cluster: each combination equals that of a local sweep, and a killed sweep resumes."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.own_engine import until
from helpers.ray_runs import PROGRAM, ray_arguments, rows, verdict_count
from ray_nodes import Cluster

pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = [pytest.mark.docker, pytest.mark.slow]
Command = Callable[..., "subprocess.CompletedProcess[str]"]

COMBINATIONS = ("temperature=0.5", "temperature=0.8")


def test_a_sweep_equals_the_local_one_although_its_driver_is_killed(
    cluster: Cluster, endpoint: str, tmp_path: Path, command: Command
) -> None:
    words = ["sweep", "--task", "humaneval", "--data", "sample", "--backend", "openai", "--model", "m", "--n", "5"]
    words += ["--option", "temperature=0.5,0.8", "--option", f"base_url={endpoint}", "--option", "api=completions"]
    local = command(*words, "--out", tmp_path / "local")
    assert local.returncode == 0, local.stderr

    words += [*ray_arguments(cluster), "--replicas", "2", "--out", str(tmp_path / "ray")]
    first, second = (tmp_path / "ray" / name / "humaneval" for name in COMBINATIONS)
    run = subprocess.Popen([PROGRAM, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    until(lambda: verdict_count(second) > 5 or run.poll() is not None, 180)
    run.kill()
    _, stderr = run.communicate()
    assert run.returncode == -9, stderr
    before = {name: (first / name).read_bytes() for name in ("completions.jsonl", "verdicts.jsonl", "summary.json")}

    resumed = command(*words)
    assert resumed.returncode == 0, resumed.stderr
    for folder in COMBINATIONS:
        for name in ("completions", "verdicts"):
            on_ray = rows(tmp_path / "ray" / folder / "humaneval", name)
            assert on_ray == rows(tmp_path / "local" / folder / "humaneval", name) != []
    assert {name: (first / name).read_bytes() for name in before} == before
    assert all(name in resumed.stdout for name in COMBINATIONS)


def test_a_sweep_without_a_cluster_is_refused(cli: Command, tmp_path: Path) -> None:
    words = ("sweep", "--task", "mbpp", "--data", "sample", "--backend", "reference", "--option", "seed=0,1")
    done = cli(*words, "--executor", "ray", "--ray-address", "127.0.0.1:9", "--out", tmp_path / "sweep")
    assert done.returncode == 2
    assert "no Ray cluster answers at 127.0.0.1:9" in done.stderr
    assert not (tmp_path / "sweep").exists()
