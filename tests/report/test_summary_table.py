"""The table at the end of a run: it shows all conditions of a rate, and unknown values are not zeros."""

import io
from typing import Any

import pytest
from rich.console import Console

from evalharness.report.summary_table import make_facet_tables, make_summary_table


def rate(value: float) -> dict[str, Any]:
    return {"value": value, "ci95": [max(0.0, value - 0.1), min(1.0, value + 0.1)]}


def summary(**changes: Any) -> dict[str, Any]:
    plain = {
        "task": "humaneval",
        "backend": "transformers",
        "model": "org/model-7b",
        "recipe": "completion",
        "version": "v1.0",
        "split": None,
        "official_data": True,
        "problems": 164,
        "samples": 1640,
        "metrics": {"pass@1": rate(0.5)},
        "speed": {},
        "statuses": {"passed": 820, "failed": 800, "infrastructure": 20},
    }
    return {**plain, **changes}


def shown(*summaries: dict[str, Any], mean: str | None = None, width: int = 100) -> str:
    text = io.StringIO()
    Console(file=text, width=width).print(make_summary_table(summaries, mean))
    return text.getvalue()


def test_a_row_shows_the_configuration_and_the_results() -> None:
    text = shown(summary())
    for word in ("humaneval", "v1.0, completion", "transformers", "org/model-7b", "1640", "164 problems"):
        assert word in text
    for word in ("pass@1", "50.0%", "[40.0, 60.0]", "820 passed", "800 failed", "20 infrastructure"):
        assert word in text
    assert "UNOFFICIAL DATA" not in text
    assert "split" not in text


def test_split_and_unofficial_data_are_shown() -> None:
    assert "split test" in shown(summary(split="test"), width=140)
    assert "UNOFFICIAL DATA" in shown(summary(official_data=False), width=140)
    sample = shown(summary(task="humaneval-sample", official_data=False), width=140)
    assert "humaneval-sample" in sample
    assert "UNOFFICIAL DATA" not in sample


def test_the_length_policy_of_a_middle_is_shown() -> None:
    assert "v1.0, plain, middle oracle" in shown(summary(recipe="plain", middle="oracle"), width=140)
    assert "middle" not in shown(summary(), width=140)


def cells(text: str, heading: str) -> list[str]:
    """The lines below a heading."""
    lines = text.splitlines()
    end = lines[0].index(heading) + len(heading)  # these columns end where their headings do
    return [line[:end].split("  ")[-1].strip() for line in lines[2:]]


def test_speed() -> None:
    timed = {
        "output_tokens_per_s": 123.456,
        "latency_s": {"p50": 1.0, "p90": 2.25, "p99": 10.5},
        "first_output_s": {"p50": 0.125, "p90": 0.25, "p99": 0.5},
    }
    text = shown(summary(speed=timed), width=140)
    assert cells(text, "tokens/s")[0] == "123.5"
    assert cells(text, "E2E latency")[:3] == ["p50 1.00 s", "p90 2.25 s", "p99 10.50 s"]
    assert cells(text, "E2E latency")[3] == "TTFT 0.12 s"


def test_unknown_values_are_dashes() -> None:
    text = shown(summary(metrics={}, speed={}), summary(), width=140)
    assert cells(text, "tokens/s")[0] == "-"
    assert cells(text, "pass@1")[0] == "-"
    assert "0.0" not in "".join(cells(text, "tokens/s"))
    assert cells(shown(summary(speed={"output_tokens_per_s": 0.0})), "tokens/s")[0] == "0.0"


def test_the_mean_of_a_group_needs_the_rate_of_every_task() -> None:
    first = summary(metrics={"pass@1": rate(0.5), "base_pass@1": rate(0.6)})
    second = summary(task="mbpp", samples=10, problems=10, metrics={"pass@1": rate(0.25)})
    text = shown(first, second, mean="evalplus", width=140)
    [line] = [line for line in text.splitlines() if "mean of evalplus" in line]
    assert "37.5%" in line
    assert "60.0%" not in line
    assert "mean" not in shown(first, second)
    assert "mean" not in shown(first, mean="evalplus")


@pytest.mark.parametrize("tasks", [1, 4])
def test_it_fits_a_terminal_of_100_columns(tasks: int) -> None:
    timed = {"output_tokens_per_s": 12345.6, "latency_s": {"p50": 1.0, "p90": 2.25, "p99": 10.5}}
    rates = {"pass@1": rate(0.5), "base_pass@1": rate(0.5)}
    text = shown(*[summary(task="humaneval-plus-sample", metrics=rates, speed=timed)] * tasks)
    assert max(map(len, text.splitlines())) <= 100
    for word in (
        "humaneval-plus-sample",
        "org/model-7b",
        "12345.6",
        "20 infrastructure",
        "p99 10.50 s",
    ):
        assert text.count(word) == tasks
    assert text.count("[40.0, 60.0]") == 2 * tasks


def test_each_facet_has_a_table() -> None:
    kinds = {
        "2024-08": {"problems": 3, "metrics": {"pass@1": rate(0.5)}},
        "2024-09": {"problems": 1, "metrics": {"pass@1": rate(0.25)}},
    }
    [table] = make_facet_tables([summary(), summary(task="livecodebench", facets={"month": kinds})])
    text = io.StringIO()
    Console(file=text, width=100).print(table)
    lines = [line.split() for line in text.getvalue().splitlines()]
    assert ["livecodebench", "by", "month"] in lines
    assert ["2024-08", "3", "50.0%", "[40.0,", "60.0]"] in lines
    assert ["2024-09", "1", "25.0%", "[15.0,", "35.0]"] in lines


def test_options_and_the_note_of_a_version_are_shown() -> None:
    text = shown(summary(options={"release": "v5", "start": "2024-08-01"}, note="PUBLIC TESTS ONLY"), width=160)
    assert "release v5, start 2024-08-01, PUBLIC TESTS ONLY" in " ".join(text.split())
