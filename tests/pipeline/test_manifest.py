"""What a run says of itself: its manifest, whether its data are the official ones, its speed; and never a secret."""

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import evalharness
from evalharness.util.version import __version__

pytestmark = pytest.mark.docker
Command = Callable[..., "subprocess.CompletedProcess[str]"]
RUN = ("run", "--task", "humaneval", "--data", "sample", "--limit", 3)
KEY = "sk-0123456789-abcdef"


@pytest.fixture
def helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules of the backends' tests."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))


def manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content


def summary(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return content


def test_everything_that_can_change_a_number_is_there(engine: None, tmp_path: Path, cli: Command) -> None:
    done = cli(*RUN, "--out", tmp_path, "--seed", 3, "--n", 2, "--option", "recipe=chat")
    assert done.returncode == 0
    config, machine = manifest(tmp_path)["config"], manifest(tmp_path)["environment"]
    task = config["task"]
    assert (task["name"], task["version"], task["image"]) == ("humaneval-sample", "v1.0", "python")
    assert re.fullmatch("sha256:[0-9a-f]{64}", task["data"]["fingerprint"])
    assert task["data"]["official"] is False
    assert task["recipe"]["name"] == "chat"
    assert "{prompt}" in task["recipe"]["fields"]["user"]
    assert task["rules"]["time_s"] == 3.0
    assert task["grading"]["repository"] == "openai/human-eval"
    assert "memory-limit" in task["deviations"]
    assert config["backend"] == {"name": "reference", "model": None, "generates": False}
    assert config["sampling"] == {"temperature": 0.0, "top_p": 1.0, "max_new_tokens": 1024, "seed": 3}
    assert config["samples"] == {"n": 2, "limit": 3}
    image = config["sandbox"]["images"]["python"]
    assert image["id"].startswith("sha256:")
    assert image["python"].startswith("3.")
    assert image["numpy"]
    assert config["evalharness"] == __version__
    assert {"torch", "transformers", "evalplus"} <= set(machine["packages"])
    assert machine["hardware"]["cores"] >= 1
    assert machine["sandbox"]["engine"].startswith("docker ")
    if (Path(evalharness.__file__).parents[1] / ".git").exists():
        assert re.fullmatch(r"[0-9a-f]{40}(\+changes)?", machine["git"])


def test_sample_results_say_so(engine: None, tmp_path: Path, cli: Command) -> None:
    done = cli(*RUN, "--out", tmp_path)
    assert "humaneval-sample" in done.stdout
    assert "UNOFFICIAL DATA" not in done.stdout
    assert (summary(tmp_path)["task"], summary(tmp_path)["official_data"]) == ("humaneval-sample", False)


@pytest.mark.data
def test_other_data_run_and_manifest_and_table_say_so(
    engine: None, datasets_dir: Path, tmp_path: Path, cli: Command
) -> None:
    name = Path("humaneval", "HumanEval.jsonl.gz")
    other = tmp_path / "data" / name
    other.parent.mkdir(parents=True)
    shutil.copy(datasets_dir / name, other)
    run = ("run", "--task", "humaneval", "--limit", 2)
    done = cli(*run, "--data", tmp_path / "data", "--out", tmp_path / "same")
    assert (done.returncode, manifest(tmp_path / "same")["config"]["task"]["data"]["official"]) == (0, True)
    assert "UNOFFICIAL DATA" not in done.stdout

    lines = gzip.decompress(other.read_bytes()).decode().splitlines()
    record = json.loads(lines[100])
    lines[100] = json.dumps({**record, "test": record["test"] + "\n"})
    other.write_bytes(gzip.compress("\n".join(lines).encode()))
    done = cli(*run, "--data", tmp_path / "data", "--out", tmp_path / "other")
    assert done.returncode == 0
    data = manifest(tmp_path / "other")["config"]["task"]["data"]
    assert data["official"] is False
    assert data["fingerprint"] != manifest(tmp_path / "same")["config"]["task"]["data"]["fingerprint"]
    assert summary(tmp_path / "other")["official_data"] is False
    assert "UNOFFICIAL DATA" in done.stdout
    done = cli(*run, "--data", tmp_path / "data", "--out", tmp_path / "same")
    assert (done.returncode, "task.data" in done.stderr) == (2, True)


def has_speed(folder: Path, printed: str, tokens: int | None = None) -> None:
    """Requires tokens/s and latency in summary and table."""
    speed = summary(folder)["speed"]
    assert speed["output_tokens_per_s"] > 0
    assert set(speed["latency_s"]) == {"p50", "p90", "p99"}
    assert speed["requests"] == 3
    assert tokens is None or speed["output_tokens"] == tokens
    for word in ("tokens/s", f"{speed['output_tokens_per_s']:.1f}", "latency", "p50"):
        assert word in printed
    assert len((folder / "verdicts.jsonl").read_text().splitlines()) == 3


def test_a_model_of_transformers(
    engine: None, helpers: None, tmp_path: Path, cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helpers import tiny_model

    monkeypatch.setattr(tiny_model, "POSITIONS", 2048)
    model = tiny_model.build_model(tmp_path / "model", steps=1)
    run = (*RUN, "--backend", "transformers", "--model", model, "--max-new-tokens", 8, "--out", tmp_path / "run")
    done = cli(*run, "--batch-size", 2)
    assert done.returncode == 0, done.stderr
    has_speed(tmp_path / "run", done.stdout)
    backend = manifest(tmp_path / "run")["config"]["backend"]
    assert (backend["model"], backend["dtype"], backend["batch_size"]) == (str(model), "float32", 2)
    assert manifest(tmp_path / "run")["config"]["sampling"]["max_new_tokens"] == 8
    assert "samples" in done.stdout
    done = cli(*run, "--batch-size", 3)
    assert done.returncode == 2
    assert "batch_size was 2, now 3" in done.stderr


@pytest.fixture
def endpoint(helpers: None) -> Iterator[Any]:
    """A local endpoint that answers everything with the same line."""
    from helpers.openai_server import answer_with, serving

    with serving() as endpoint:
        endpoint.default = answer_with("    return ", "None\n", usage=(7, 5))
        yield endpoint


def files_with(folder: Path, secret: str) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and secret in path.read_text()]


def test_an_endpoint(
    engine: None, endpoint: Any, tmp_path: Path, cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    options = ("--backend", "openai", "--model", "m", "--option", f"base_url={endpoint.url}")
    done = cli(*RUN, *options, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert endpoint.headers[0]["authorization"] == f"Bearer {KEY}"
    has_speed(tmp_path, done.stdout, tokens=15)
    assert "first_output_s" in summary(tmp_path)["speed"]
    assert "openai" in done.stdout
    assert KEY not in done.stdout + done.stderr
    assert not files_with(tmp_path, KEY)


def test_no_secret_of_an_address_is_kept(engine: None, endpoint: Any, tmp_path: Path, command: Command) -> None:
    url = endpoint.url.replace("http://", "http://ann:pass-0123456789@") + "?token=token-0123456789"
    options = ("--backend", "openai", "--model", "m", "--option", f"base_url={url}")
    done = command(*RUN, *options, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    for secret in ("pass-0123456789", "token-0123456789"):
        assert secret not in done.stdout + done.stderr
        assert not files_with(tmp_path, secret)


def test_an_endpoint_that_refuses_the_key_is_told_in_one_line(
    engine: None, endpoint: Any, tmp_path: Path, cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helpers.openai_server import http_error

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    endpoint.default = http_error(401, f"the key {KEY} is wrong")
    options = ("--backend", "openai", "--model", "m", "--option", f"base_url={endpoint.url}")
    done = cli(*RUN, *options, "--out", tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "OPENAI_API_KEY" in done.stderr
    assert KEY not in done.stderr
