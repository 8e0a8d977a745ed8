"""The bundled published points have sources, and rates have the right speeds."""

import json
from pathlib import Path

import pytest

from evalharness.data.cards import task_groups
from evalharness.errors import UserError
from evalharness.report.published import find_published_speed_of, list_published_sets, load_published_results

EVIDENCE = {"primary", "secondary, several agree", "secondary, one copy"}


def test_every_point_has_source_evidence_and_a_task_that_exists() -> None:
    points = load_published_results("all")
    assert len(points) > 700
    known = {*task_groups(), *task_groups()["all"], None}
    for point in points:
        assert point.evidence in EVIDENCE
        assert point.source
        assert point.family in ("ar", "diffusion")
        assert point.task in known
        assert point.unit != "%" or 0 <= point.value <= 100
        assert point.source.count("(") == point.source.count(")")


def test_the_mercury_papers_tables() -> None:
    points = load_published_results("mercury")
    small = {point.task: point.value for point in points if point.model == "Mercury Coder Small" and point.is_rate}
    assert small["humaneval"] == 90.0
    assert {"mbpp", "evalplus", "multipl-e", "livecodebench", "multipl-e-cpp"} <= set(small)
    rate = next(point for point in points if point.model == "Mercury Coder Small" and point.task == "humaneval")
    speed = find_published_speed_of(rate, points)
    assert speed is not None
    assert (speed.value, speed.hardware) == (737, "NVIDIA H100")


def test_a_rate_has_the_speed_of_its_setting() -> None:
    points = load_published_results("fast-dllm")
    for length, tokens in (("256", 30.5), ("512", 18.4)):
        rate = next(
            point for point in points
            if point.model == "LLaDA-8B-Instruct baseline" and point.task == "humaneval" and point.is_rate
            and point.setting == f"gen length {length}"
        )  # fmt: skip
        speed = find_published_speed_of(rate, points)
        assert speed is not None
        assert speed.value == tokens


def test_a_total_over_a_batch_is_not_a_speed() -> None:
    assert not [point for point in load_published_results("sdar") if point.is_speed]


def test_a_point_from_one_secondary_source_is_marked_in_its_name() -> None:
    names = {point.name for point in load_published_results("mercury") if point.is_from_one_secondary_source}
    assert names
    assert all(name.endswith("†") for name in names)


def test_sets_by_name_and_by_file(tmp_path: Path) -> None:
    assert "mercury" in list_published_sets()
    assert load_published_results("") == []
    own = tmp_path / "own.json"
    row = {"model": "m", "family": "ar", "benchmark": "HumanEval", "task": "humaneval", "metric": "pass@1",
           "value": 50, "unit": "%", "evidence": "primary", "source": "here", "later": 1}  # fmt: skip
    own.write_text(json.dumps({"title": "t", "points": [row]}))
    assert [(point.model, point.set) for point in load_published_results(f"{own}")] == [("m", "own")]
    with pytest.raises(UserError, match="did you mean mercury"):
        load_published_results("mercuri")
    own.write_text("[]")
    with pytest.raises(UserError, match="is not a file of published results"):
        load_published_results(str(own))
