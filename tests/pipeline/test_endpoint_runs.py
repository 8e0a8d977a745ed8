"""Runs of an endpoint that cuts, refuses, reasons, breaks and recovers: each tells what happened, and is completed."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.openai_server import Behavior, Endpoint, Reply, answer_with, http_error, serving

pytestmark = pytest.mark.docker
Command = Callable[..., "subprocess.CompletedProcess[str]"]

RECORDS = [
    json.loads(line) for line in (Path(__file__).parents[2] / "tasks/samples/humaneval.jsonl").read_text().splitlines()
]
PAGE = b"<html><head><title>502 Bad Gateway</title></head></html>"


def number_of(reply: Reply) -> int:
    """The number of the problem that the request asks."""
    asked = json.dumps(reply.body)
    return next(number for number, record in enumerate(RECORDS) if json.dumps(record["prompt"].strip())[1:-1] in asked)


def solve(reply: Reply) -> None:
    record = RECORDS[number_of(reply)]
    answer_with(f"```python\n{record['prompt']}{record['canonical_solution']}\n```", usage=(9, 20))(reply)


def reason(text: str, finish: str) -> Behavior:
    def behave(reply: Reply) -> None:
        reply.start()
        reply.event(reply.text(None, reasoning_content="Let me think."))
        reply.event(reply.text(text, finish))
        details = {"completion_tokens": 12, "completion_tokens_details": {"reasoning_tokens": 4}}
        reply.event({"choices": [], "usage": {"prompt_tokens": 9, **details}})
        reply.end()

    return behave


def by_problem(behaviors: dict[int, Behavior]) -> Behavior:
    return lambda reply: behaviors.get(number_of(reply), solve)(reply)


def gateway_page(reply: Reply) -> None:
    reply.plain(502, PAGE, {"content-type": "text/html"})


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as running:
        running.default = solve
        yield running


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(engine: None, cli: Command, endpoint: Endpoint, tmp_path: Path) -> Run:
    """Runs the sample of humaneval on the endpoint into the folder `run`."""
    options = {"recipe": "chat", "retry_base_s": "0.001", "max_retries": "1", "concurrency": "2"}

    def start(*more: object, **changed: object) -> "subprocess.CompletedProcess[str]":
        given = {**options, "base_url": endpoint.url, **changed}
        words = [word for key, value in given.items() for word in ("--option", f"{key}={value}")]
        task = ("--task", "humaneval", "--data", "sample", "--backend", "openai", "--model", "m")
        out = () if "--out" in more else ("--out", tmp_path / "run")
        return cli("run", *task, *out, *words, *more)

    return start


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text())


def rows(folder: Path, name: str = "completions") -> dict[int, dict[str, Any]]:
    lines = (folder / f"{name}.jsonl").read_text().splitlines()
    return {int(row["task_id"].split("/")[1]): row for row in map(json.loads, lines)}


def test_cut_refused_empty_and_reasoning_answers_are_told(run: Run, endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.default = by_problem(
        {
            0: http_error(400, "filtered by the content management policy"),
            1: answer_with("half an ans", finish="length"),
            2: reason("", "length"),
            3: answer_with(""),
            5: answer_with("<think>\nLet me", finish="max_tokens"),
            4: reason(f"```python\n{RECORDS[4]['prompt']}{RECORDS[4]['canonical_solution']}\n```", "stop"),
        }
    )
    done = run("--limit", 8, "--max-new-tokens", 99)
    assert done.returncode == 0, done.stderr
    told = [
        "3 of 8 answers reached the token limit of 99 (37.5%)",
        "2 of 8 answers were reasoning alone (25.0%)",
        "1 of 8 answers was empty (12.5%)",
        "1 of 8 answers was refused (12.5%)",
    ]
    assert all(f"humaneval-sample: {line}" in done.stdout for line in told)
    assert "at most 99 new tokens" in done.stdout
    [warning] = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert ", ".join(told) in warning
    assert "add --ask-again to send these prompts again" in warning
    said = f"{endpoint.url} refuses the prompt (HTTP 400: filtered by the content management policy)"
    assert f"humaneval-sample: refused: Sample/0: {said}" in done.stdout
    answers = read(tmp_path / "run", "summary")["answers"]
    assert answers["counts"] == {"at_limit": 3, "reasoning_only": 2, "empty": 1, "refused": 1, "unanswered": 0}
    assert (answers["token_limit"], answers["with_reasoning"], answers["reasoning_tokens"]) == (99, 2, 8)
    completions, verdicts = rows(tmp_path / "run"), rows(tmp_path / "run", "verdicts")
    assert (completions[4]["reasoning"], completions[4]["reasoning_tokens"]) == ("Let me think.", 4)
    assert {number for number, row in verdicts.items() if not row["passed"]} == {0, 1, 2, 3, 5}


def test_a_run_whose_every_prompt_is_refused_stops_and_can_go_on(run: Run, endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.default = http_error(400, "no parameter `seed`")
    done = run("--limit", 12)
    assert done.returncode == 2
    [error] = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert "no parameter `seed`" in error
    assert len(endpoint.bodies) < 8
    assert not (tmp_path / "run" / "completions.jsonl").exists()
    endpoint.default = by_problem({11: http_error(400, "too long")})
    assert run("--limit", 12, extra='{"seed": null}').returncode == 0
    assert rows(tmp_path / "run")[11]["finish_reason"] == "refused"


def test_the_only_prompt_left_of_a_run_may_be_refused(run: Run, endpoint: Endpoint, tmp_path: Path) -> None:
    assert run("--limit", 2).returncode == 0
    endpoint.default = http_error(400, "too long")
    done = run("--limit", 3)
    assert done.returncode == 0, done.stderr
    assert "1 of 3 answers was refused" in done.stdout


def test_a_dead_gateway_ends_the_run_early_and_it_is_completed_later(
    run: Run, endpoint: Endpoint, tmp_path: Path
) -> None:
    solved = 3
    endpoint.respond_with(*[solve] * solved)
    endpoint.default = gateway_page
    done = run()
    assert done.returncode == 1
    assert f"{16 - solved} infrastructure" in done.stdout
    assert f"{16 - solved} samples without a verdict" in done.stderr
    assert "HTTP 502: an HTML page: 502 Bad Gateway" in done.stderr
    assert "with --settle-failures to count prompts that fail again as not solved" in done.stderr
    assert len(endpoint.bodies) < solved + 16
    endpoint.default = solve
    before = len(endpoint.bodies)
    done = run()
    assert done.returncode == 0, done.stderr
    assert len(endpoint.bodies) - before == 16 - solved
    assert read(tmp_path / "run", "summary")["statuses"] == {"passed": 16}
    assert [stretch["completions"] for stretch in read(tmp_path / "run", "manifest")["stretches"]] == [0, solved]


def test_prompts_that_always_fail_are_named_and_the_run_is_completed_on_request(
    run: Run, endpoint: Endpoint, tmp_path: Path
) -> None:
    failing = {2: http_error(500, "tensor of NaN"), 7: http_error(500, "tensor of NaN")}
    endpoint.default = by_problem({**failing, 4: http_error(400, "too long")})
    named = "Sample/2, Sample/7: the endpoint answered HTTP 500: tensor of NaN (the request failed in attempt 2 of 2)"
    for _ in range(2):
        done = run()
        assert done.returncode == 1
        assert f"humaneval-sample: without a verdict: {named}" in done.stdout
        assert "2 samples without a verdict" in done.stderr
    done = run("--settle-failures")
    assert done.returncode == 0, done.stderr
    assert "2 of 16 answers were missing because the backend failed (12.5%)" in done.stdout
    assert f"humaneval-sample: unanswered: {named}" in done.stdout
    assert "humaneval-sample: refused: Sample/4: " in done.stdout
    summary = read(tmp_path / "run", "summary")
    assert summary["metrics"]["pass@1"]["value"] == 13 / 16
    assert summary["statuses"] == {"passed": 13, "error": 3}
    asked = len(endpoint.bodies)
    assert run("--settle-failures").returncode == 0
    assert len(endpoint.bodies) == asked
    endpoint.default = solve
    assert run().returncode == 0
    assert len(endpoint.bodies) == asked
    assert run("--ask-again").returncode == 0
    assert len(endpoint.bodies) == asked + 3
    assert read(tmp_path / "run", "summary")["statuses"] == {"passed": 16}


def test_many_failing_prompts_alone_are_settled_over_several_commands(
    run: Run, endpoint: Endpoint, tmp_path: Path
) -> None:
    endpoint.default = by_problem(dict.fromkeys(range(8, 16), http_error(500, "no")))
    assert run(concurrency=1).returncode == 1
    codes = []
    while not codes or codes[-1] != 0:
        codes.append(run("--settle-failures", concurrency=1).returncode)
        assert len(codes) <= 3
    assert read(tmp_path / "run", "summary")["answers"]["counts"]["unanswered"] == 8


def test_an_endpoint_that_breaks_down_settles_nothing(run: Run, endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.respond_with(*[solve] * 3)
    endpoint.default = gateway_page
    assert run("--settle-failures").returncode == 1
    assert len(rows(tmp_path / "run")) == 3


def test_a_refused_name_of_the_token_limit_is_changed_and_recorded(
    run: Run, endpoint: Endpoint, tmp_path: Path
) -> None:
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    endpoint.default = lambda reply: (http_error(400, message) if "max_tokens" in reply.body else solve)(reply)
    done = run("--limit", 4)
    assert done.returncode == 0, done.stderr
    assert "max_tokens_field=max_completion_tokens" in done.stderr
    [stretch] = read(tmp_path / "run", "manifest")["stretches"]
    assert stretch["adjusted"] == {"max_tokens_field": "max_completion_tokens"}
    done = run("--limit", 4, max_tokens_field="max_completion_tokens")
    assert done.returncode == 0


def test_a_run_goes_on_with_another_transport_and_more_samples(run: Run, endpoint: Endpoint, tmp_path: Path) -> None:
    sampled = ("--temperature", "0.5")
    assert run("--limit", 2, "--n", 1, *sampled).returncode == 0
    with serving() as other:
        other.default = solve
        done = run("--limit", 3, "--n", 2, *sampled, "--workers", 1, base_url=other.url, concurrency=1, timeout_s=9)
        assert done.returncode == 0, done.stderr
        assert len(other.bodies) == 4
    assert len(endpoint.bodies) == 2
    assert "(mixed)" in done.stdout
    assert "speed of mixed conditions (" in done.stdout
    summary = read(tmp_path / "run", "summary")
    assert (summary["problems"], summary["samples"], summary["asked"]) == (3, 6, 6)
    mixed = summary["speed"]["conditions"]["mixed"]
    assert mixed["concurrency"] == [2, 1]
    assert mixed["endpoint"] == [endpoint.url, other.url]
    manifest = read(tmp_path / "run", "manifest")
    assert [stretch["samples"]["n"] for stretch in manifest["stretches"]] == [1, 2]
    done = run("--limit", 2, "--n", 2, *sampled)
    assert done.returncode == 2
    assert "samples.limit was 3, now 2; --n and --limit of a run can only grow" in done.stderr


def test_overwrite_and_folders_that_are_no_run(run: Run, endpoint: Endpoint, tmp_path: Path) -> None:
    assert run("--limit", 1).returncode == 0
    assert run("--limit", 1, "--seed", 3).returncode == 2
    assert run("--limit", 1, "--seed", 3, "--overwrite").returncode == 0
    assert read(tmp_path / "run", "manifest")["config"]["sampling"]["seed"] == 3
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    for more in ((), ("--overwrite",)):
        done = run("--limit", 1, "--out", tmp_path / "mine", *more)
        assert done.returncode == 2
        assert "is not empty and is no run directory (thesis.tex); choose a new folder with --out" in done.stderr
    done = run("--limit", 1, "--out", tmp_path)
    assert done.returncode == 2
    assert "has runs of several tasks (run); give one of their folders" in done.stderr
    done = run("--task", "humaneval,mbpp", "--limit", 1, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert "is the run directory of one task; choose another folder with --out for several tasks" in done.stderr
    (tmp_path / "run" / "completions.jsonl").unlink()
    (tmp_path / "run" / "verdicts.jsonl").unlink()
    assert run("--limit", 1, "--seed", 4).returncode == 0


def test_a_base_recipe_for_a_chat_api_gets_one_warning_line(run: Run, endpoint: Endpoint) -> None:
    done = run("--limit", 2, recipe="completion", api="chat")
    assert done.returncode == 0, done.stderr
    assert next(line for line in done.stderr.splitlines() if "warning" in line) == (
        "warning: humaneval-sample: the recipe completion sends text to continue, but option api=chat sends the "
        "text as a user's message; --option recipe=chat sends chat messages"
    )
    assert done.stderr.count("text to continue") == 1
