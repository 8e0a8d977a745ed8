"""`bench` against an HTTP endpoint: requests, warm-up, files, and user errors."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.openai_server import Endpoint, answer_with, http_error, serving

from evalharness.bench.config import BenchConfig
from evalharness.bench.levels import ConcurrencyResult
from evalharness.bench.runner import run_bench
from evalharness.bench.tables import make_result_remarks
from evalharness.errors import UserError

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as running:
        running.default = answer_with("def ", "f(): pass", usage=(1000, 20), delay_s=0.05)
        yield running


def config(endpoint: Endpoint, **changes: Any) -> BenchConfig:
    options = {"base_url": endpoint.url, "retry_base_s": "0.001", **changes.pop("options", {})}
    return BenchConfig("openai", "m", options=options, **{"requests": 8, **changes})


def test_each_level_sends_its_own_prompts_and_excludes_its_warm_up(endpoint: Endpoint, tmp_path: Path) -> None:
    levels = run_bench(config(endpoint, concurrency=(1, 4), output_tokens=20, prices=(1.0, 10.0)), tmp_path / "out")
    assert len(endpoint.bodies) == 1 + 8 + 4 + 8
    assert len({body["prompt"] for body in endpoint.bodies}) == 21
    assert {body["max_tokens"] for body in endpoint.bodies} == {20}
    assert endpoint.most_in_flight == 4
    for level, concurrency in zip(levels, (1, 4), strict=True):
        counts = level.speed["requests"], level.speed["warmup_requests"]
        assert (level.concurrency, *counts) == (concurrency, 8, concurrency)
        assert level.speed["steady"]["concurrency"] == concurrency
        assert level.cost_per_problem == pytest.approx((1000 * 1 + 20 * 10) / 1e6)
        assert level.prompt_tokens["p50"] == 1000
    assert levels[0].speed["output_tokens_per_s"] == pytest.approx(20 / 0.1, rel=0.2)
    assert 2.5 < levels[1].speed["steady"]["output_tokens_per_s"] / (20 / 0.1) < 4.2
    stored = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert [level["concurrency"] for level in stored["levels"]] == [1, 4]
    assert stored["environment"]["hardware"]["cores"]
    assert len((tmp_path / "out" / "completions-4.jsonl").read_text().splitlines()) == 12


def test_prompts_of_a_task_follow_its_recipe(endpoint: Endpoint, tmp_path: Path) -> None:
    [level] = run_bench(config(endpoint, task="humaneval", data="sample", requests=4, warmup=0), tmp_path / "out")
    assert level.speed["requests"] == 4
    assert level.cost_per_problem is None
    assert all(body["prompt"].strip() and body["stop"] for body in endpoint.bodies)


def test_failed_requests_are_counted_and_excluded(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.respond_with(answer_with("x", usage=(5, 5)), http_error(500), answer_with("x", usage=(5, 5)))
    [level] = run_bench(config(endpoint, requests=3, warmup=0, options={"max_retries": "0"}), tmp_path / "out")
    assert (level.failed, level.speed["requests"]) == (1, 2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "random"}, "random tokens measure nothing"),
        ({"concurrency": (0,)}, "--concurrency '0' is empty, or has a number below 1"),
        ({"concurrency": (2, 2)}, "the same number twice; give distinct numbers of at least 1"),
        ({"requests": 0}, "--requests"),
        ({"task": "humaneval", "input_tokens": 5}, "remove --input-tokens or --task"),
        ({"backend": "reference"}, "generates nothing"),
        ({"options": {"concurrency": "3"}}, "--concurrency"),
        ({"backend": "opnai"}, "did you mean openai"),
        ({"options": {"thresold": "1"}}, "unknown option 'thresold'"),
        ({"options": {"timeout_s": "soon"}}, "timeout_s"),
        ({"task": "humanevl"}, "did you mean humaneval"),
        ({"temperature": -1.0}, "--temperature"),
        ({"tokenizer": "/nowhere"}, "--tokenizer"),
    ],
)
def test_user_errors_are_raised_before_anything_is_sent_or_written(
    endpoint: Endpoint, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    options = {"base_url": endpoint.url, **changes.pop("options", {})}
    settings = {"backend": "openai", "model": "m", "options": options, **changes}
    with pytest.raises(UserError, match=words):
        run_bench(BenchConfig(**settings), tmp_path / "out")
    assert not endpoint.bodies
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_sent(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write to .*--out"):
        run_bench(config(endpoint), tmp_path / "file" / "out")
    assert not endpoint.bodies


def test_a_run_is_not_overwritten(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(UserError, match="contains a run"):
        run_bench(config(endpoint), tmp_path)


def test_another_bench_is_not_overwritten_but_the_same_is_measured_again(endpoint: Endpoint, tmp_path: Path) -> None:
    first = config(endpoint, requests=2, warmup=0)
    run_bench(first, tmp_path)
    with pytest.raises(UserError, match=r"other settings \(requests was 2, now 3\)"):
        run_bench(config(endpoint, requests=3, warmup=0), tmp_path)
    run_bench(first, tmp_path)
    assert len((tmp_path / "completions-1.jsonl").read_text().splitlines()) == 2


def test_credentials_in_the_address_are_not_written(endpoint: Endpoint, tmp_path: Path) -> None:
    address = endpoint.url.replace("http://", "http://user:hidden-word@") + "?key=hidden-key"
    run_bench(config(endpoint, requests=2, warmup=0, options={"base_url": address}), tmp_path)
    assert "hidden" not in (tmp_path / "bench.json").read_text()


def test_only_conditions_common_to_all_levels_are_printed() -> None:
    speeds = [
        {"warmup_requests": 1, "conditions": {"hardware": "H100", "batch_size": batch_size}} for batch_size in (1, 2)
    ]
    levels = [ConcurrencyResult(1, speed, 0, 0, {}, {}, 0, None) for speed in speeds]
    assert make_result_remarks(levels)[-1] == "measured on: hardware H100"


def test_a_single_warm_up_request_is_singular() -> None:
    levels = [ConcurrencyResult(1, {"warmup_requests": number}, 0, 0, {}, {}, 0, None) for number in (1, 2)]
    first, second, _ = make_result_remarks(levels)
    assert "1 warm-up request excluded" in first
    assert "2 warm-up requests excluded" in second


def test_the_command_prints_a_table_and_the_conditions(endpoint: Endpoint, tmp_path: Path, cli: Command) -> None:
    common = ("bench", "--backend", "openai", "--model", "m", "--option", f"base_url={endpoint.url}")
    more = ("--option", "hardware=8x H800", "--requests", 4, "--concurrency", "1,2", "--out", tmp_path / "out")
    done = cli(*common, *more, "--price-in", 1, "--price-out", 10)
    assert done.returncode == 0, done.stderr
    for words in ("concurrency", "cost per", "0.001200", "warm-up requests excluded", "hardware 8x H800"):
        assert words in done.stdout
    one = cli(*common, "--price-in", 1)
    assert one.returncode == 2
    assert "both prices" in one.stderr
