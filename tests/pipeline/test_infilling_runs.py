"""Runs of infilling tasks: which backends are accepted, what is refused before any work, and what the results say."""

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from evalharness.errors import UserError
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.run import run
from evalharness.pipeline.validate import check_prompt_is_supported
from evalharness.records import Completion, Prompt, Request, Sampling

Command = Callable[..., "subprocess.CompletedProcess[str]"]
INFILLING = Prompt("a", suffix="b")


class Plain:
    """A backend that does not check prompts."""

    name = "plain"

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        yield from ()

    def describe(self) -> Mapping[str, Any]:
        return {}

    def close(self) -> None: ...


class InfillingOnly(Plain):
    """A backend that accepts infilling prompts alone."""

    def check_prompt(self, prompt: Prompt) -> None:
        if prompt.suffix is None:
            raise UserError("infilling prompts only")


def test_a_backend_without_a_prompt_check_accepts_all_but_infilling_prompts() -> None:
    check_prompt_is_supported(Plain(), Prompt("a"))
    with pytest.raises(UserError, match=r"backend plain cannot infill.*recipe=suffix-first") as caught:
        check_prompt_is_supported(Plain(), INFILLING)
    assert "\n" not in str(caught.value)


def test_a_backend_may_accept_some_kinds_of_prompts_alone() -> None:
    check_prompt_is_supported(InfillingOnly(), INFILLING)
    with pytest.raises(UserError, match="infilling prompts only"):
        check_prompt_is_supported(InfillingOnly(), Prompt("a"))


@pytest.mark.docker
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--option", "api=chat"), "the chat API cannot infill"),
        (("--option", "recipe=oracle-length"), "middle: oracle"),
        (("--option", "recipe=canvas"), "middle: canvas"),
    ],
)
def test_refused_before_a_container_is_started(
    options: tuple[str, ...], said: str, engine: None, tmp_path: Path, cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalharness.sandbox.engines.docker.DockerEngine.start", None)
    base = ("--option", "base_url=http://127.0.0.1:9/v1")
    task = ("--task", "fim-single-line", "--data", "sample", "--out", tmp_path / "run")
    done = cli("run", *task, "--backend", "openai", "--model", "m", *base, *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def summary_of(tmp_path: Path, backend: str, task: str = "santacoder-fim-py", **options: str) -> dict[str, Any]:
    return run(RunConfig(task, backend, data="sample", options=options), tmp_path / "run")


def test_tasks_that_run_nothing_need_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    summary = summary_of(tmp_path, "reference")
    assert summary["statuses"] == {"passed": summary["problems"]}


def test_policy_of_the_middle_is_in_manifest_and_summary(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, "reference", recipe="oracle-length")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert summary["middle"] == "oracle"
    assert manifest["config"]["task"]["recipe"]["middle"] == "oracle"


@pytest.mark.parametrize(("options", "middle"), [({}, "unknown"), ({"recipe": "canvas"}, "canvas")])
def test_of_samples_made_elsewhere_only_what_was_said_is_known(
    options: dict[str, str], middle: str, tmp_path: Path
) -> None:
    samples = tmp_path / "samples.jsonl"
    samples.write_text('{"task_id": "sample-0_tiered_charge-L21", "completion": "lower = limit\\n"}\n')
    summary = summary_of(tmp_path, "replay", samples=str(samples), **options)
    assert (summary["middle"], summary["statuses"]) == (middle, {"passed": 1})


def test_other_tasks_say_nothing_of_a_middle(tmp_path: Path) -> None:
    assert "middle" not in summary_of(tmp_path, "reference", recipe="suffix-first")
