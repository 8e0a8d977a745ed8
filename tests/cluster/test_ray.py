"""--executor ray on a cluster of `ray start` processes: the rows equal those of --executor local, also after kills."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import docker
import pytest
from helpers.own_engine import own_engine, until
from helpers.ray_runs import PROGRAM, ray_arguments, rows, verdict_count
from ray_nodes import Cluster, ray_cluster

from evalharness.report.run_metrics import hardware_text
from evalharness.report.runs import load_runs

pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = [pytest.mark.docker, pytest.mark.slow]
Command = Callable[..., "subprocess.CompletedProcess[str]"]

SAMPLES = 60


def write_samples(folder: Path, samples: int = SAMPLES) -> Path:
    """Writes a samples file with correct and wrong programs, some of them slow."""
    from evalharness.adapters import open_task

    task, _ = open_task("mbpp", "sample", {})
    path = folder / "samples.jsonl"
    lines = []
    for problem in task.problems():
        for number in range(samples):
            text = problem.reference if number % 3 else "def nothing(): pass"
            slow = "import time; time.sleep(0.05)\n" if number % 2 else ""
            lines.append(json.dumps({"task_id": problem.task_id, "sample_id": number, "solution": f"{slow}{text}"}))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def graded(engine: None, command: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a samples file, and in `run` its verdicts by --executor local."""
    folder = tmp_path_factory.mktemp("graded")
    done = command(
        "grade", "--task", "mbpp", "--data", "sample", "--samples", write_samples(folder), "--out", folder / "run"
    )
    assert done.returncode == 0, done.stderr
    return folder


def grade(graded: Path, out: Path, cluster: Cluster) -> "subprocess.Popen[str]":
    """Starts grading the samples file on the cluster."""
    words = ["grade", "--task", "mbpp", "--data", "sample", "--samples", graded / "samples.jsonl", "--out", out]
    command = [PROGRAM, *map(str, words), *ray_arguments(cluster)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_rows_and_summary_equal_those_of_a_local_run(cluster: Cluster, tmp_path: Path, command: Command) -> None:
    run = ("run", "--task", "humaneval-plus", "--data", "sample")
    local = command(*run, "--out", tmp_path / "local")
    on_ray = command(*run, "--out", tmp_path / "ray", *ray_arguments(cluster))
    assert (local.returncode, on_ray.returncode) == (0, 0), on_ray.stderr
    for name in ("verdicts", "completions"):
        assert rows(tmp_path / "ray", name) == rows(tmp_path / "local", name) != []
    summaries = [json.loads((tmp_path / name / "summary.json").read_text()) for name in ("local", "ray")]
    assert summaries[0] == summaries[1]
    manifests = [json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("local", "ray")]
    assert manifests[0]["config"] == manifests[1]["config"]
    assert manifests[1]["environment"]["sandbox"]["cluster"]["nodes"] == 3


def test_killed_nodes_lose_and_duplicate_no_sample(engine: None, graded: Path, tmp_path: Path) -> None:
    with ray_cluster(3) as cluster:
        out = tmp_path / "run"
        run = grade(graded, out, cluster)
        for moment in (100, 300):
            until(lambda moment=moment: verdict_count(out) > moment or run.poll() is not None, 120)  # type: ignore[misc]
            assert run.poll() is None
            cluster.kill(cluster.nodes[0])
        _, stderr = run.communicate(timeout=300)
        assert run.returncode == 0, stderr
        assert "is lost" in stderr
        assert rows(out) == rows(graded / "run")


def test_a_killed_driver_resumes_on_any_engine(
    cluster: Cluster, graded: Path, tmp_path: Path, command: Command
) -> None:
    out = tmp_path / "run"
    for number in (signal.SIGKILL, signal.SIGTERM):
        before = verdict_count(out)
        run = grade(graded, out, cluster)
        until(lambda before=before, run=run: verdict_count(out) > before + 100 or run.poll() is not None, 120)  # type: ignore[misc]
        assert run.poll() is None
        run.send_signal(number)
        _, stderr = run.communicate(timeout=60)
        assert run.returncode == (130 if number == signal.SIGTERM else -number)
        assert "Traceback" not in stderr
    words = ("grade", "--task", "mbpp", "--data", "sample", "--samples", graded / "samples.jsonl", "--out", out)
    assert command(*words).returncode == 0  # the executor `local`
    assert rows(out) == rows(graded / "run")


def test_a_node_without_a_container_engine_does_not_grade(engine: None, graded: Path, tmp_path: Path) -> None:
    missing = f"unix://{tmp_path}/nothing.sock"
    with ray_cluster(0) as cluster:
        cluster.add(DOCKER_HOST=missing)
        run = grade(graded, tmp_path / "run", cluster)
        _, stderr = run.communicate(timeout=120)
        assert run.returncode == 2
        assert stderr.splitlines()[-1].startswith("error: no node of the cluster can grade: ")
        assert "no container engine answers" in stderr
        assert "Traceback" not in stderr
        cluster.add()
        run = grade(graded, tmp_path / "run", cluster)
        _, stderr = run.communicate(timeout=300)
        assert run.returncode == 0, stderr
        assert "does not grade: no container engine answers" in stderr
        assert rows(tmp_path / "run") == rows(graded / "run")


def test_a_node_without_the_image_gets_a_copy(engine: None, graded: Path, tmp_path: Path) -> None:
    from evalharness.sandbox.engines import docker as docker_engine
    from evalharness.sandbox.engines import images

    with own_engine(with_image=False) as other, ray_cluster(1) as cluster:
        cluster.add(DOCKER_HOST=other.host)
        run = grade(graded, tmp_path / "run", cluster)
        _, stderr = run.communicate(timeout=300)
        assert run.returncode == 0, stderr
        assert "does not grade" not in stderr
        assert rows(tmp_path / "run") == rows(graded / "run")
        tag = images.image_tag("python")
        ids = {
            client.images.get(tag).id for client in (docker_engine.connect_to_engine(), docker.DockerClient(other.host))
        }
        assert len(ids) == 1


def test_replicas_of_a_backend_generate_and_may_be_killed(
    engine: None, endpoint: str, tmp_path: Path, command: Command
) -> None:
    words = ["run", "--task", "humaneval", "--data", "sample", "--backend", "openai", "--model", "m", "--n", "10"]
    words += ["--temperature", "0.5", "--option", f"base_url={endpoint}", "--option", "concurrency=2"]
    words += ["--option", "api=completions"]
    local = command(*words, "--out", tmp_path / "local")
    assert local.returncode == 0, local.stderr
    with ray_cluster(2) as cluster:
        out = tmp_path / "ray"
        run = subprocess.Popen(
            [PROGRAM, *words, "--out", str(out), *ray_arguments(cluster), "--replicas", "2"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        until(lambda: verdict_count(out) > 20 or run.poll() is not None, 120)
        assert run.poll() is None
        cluster.kill(cluster.nodes[0])
        _, stderr = run.communicate(timeout=300)
        assert run.returncode == 0, stderr
        for name in ("completions", "verdicts"):
            assert rows(out, name) == rows(tmp_path / "local", name) != []
        assert json.loads((out / "summary.json").read_text())["speed"]["conditions"]["copies"] == 2
        assert hardware_text(load_runs([out])[0]).endswith("(2 copies)")


def test_an_address_without_a_cluster_is_reported(cli: Command) -> None:
    done = cli("run", "--task", "mbpp", "--data", "sample", "--executor", "ray", "--ray-address", "127.0.0.1:9")
    assert done.returncode == 2
    assert "no Ray cluster answers at 127.0.0.1:9" in done.stderr
