"""The frontier: one point per run, the Pareto frontier, labels that do not overlap, captions and formats."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.made_runs import outcomes, write_run
from hypothesis import given
from hypothesis import strategies as st

from evalharness.errors import UserError
from evalharness.report.frontier.captions import frontier_caption_lines, pareto_frontier_lines
from evalharness.report.frontier.label_placement import Box, place_labels
from evalharness.report.frontier.labels import MIN_LEADER
from evalharness.report.frontier.panel import panel_measurement_conditions_text
from evalharness.report.frontier.picture import draw_panels_with_caption, write_frontier_plot
from evalharness.report.frontier.points import Panel, Point, find_pareto_frontier, make_frontier_panels
from evalharness.report.frontier.shapes import group_points_by_curve, point_position
from evalharness.report.published import load_published_results
from evalharness.report.runs import load_runs


def point(speed: float, rate: float, **more: object) -> Point:
    return Point(f"{speed}", "ar", (speed,), rate, None, speed, None, "H100", "", **more)  # type: ignore[arg-type]


places = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=15)


@given(places)
def test_a_point_is_on_the_frontier_if_and_only_if_no_other_dominates_it(pairs: list[tuple[int, int]]) -> None:
    points = [point(float(speed), rate / 9) for speed, rate in pairs]
    frontier = find_pareto_frontier(points)

    def is_dominated(point: Point) -> bool:
        return any(
            (other.speed >= point.speed and other.rate > point.rate)
            or (other.speed > point.speed and other.rate >= point.rate)
            for other in points
        )

    assert {point_position(point) for point in frontier} == {
        point_position(point) for point in points if not is_dominated(point)
    }
    assert [point.speed for point in frontier] == sorted({point.speed for point in frontier})


def test_published_points_and_incomplete_runs_are_not_on_the_frontier() -> None:
    points = [point(10.0, 0.5), point(20.0, 0.9, published=True), point(30.0, 0.9, complete=False)]
    assert find_pareto_frontier(points) == (points[0],)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for threshold, rate, seconds in ((0.5, 0.4, 0.25), (0.9, 0.6, 0.7)):
        write_run(tmp_path / f"d{threshold}", "org/dif", outcomes(rate), seconds, backend="diffusion",
                  options={"threshold": threshold}, forwards=30)  # fmt: skip
    write_run(tmp_path / "ar", "org/ar", outcomes(0.64), 2.0)
    write_run(tmp_path / "slow", "org/slow", outcomes(0.5), 4.0)
    write_run(tmp_path / "mbpp", "org/ar", outcomes(0.7, 100), 2.0, task="mbpp")
    return tmp_path


def test_one_panel_per_task_one_point_per_run_one_curve_per_swept_model(runs: Path) -> None:
    humaneval, mbpp = sorted(make_frontier_panels(load_runs([runs])), key=lambda panel: panel.title)
    assert [point.label for point in humaneval.points] == [
        "slow", "ar", "dif (threshold=0.9)", "dif (threshold=0.5)",
    ]  # fmt: skip
    assert [point.family for point in humaneval.points] == ["ar", "ar", "diffusion", "diffusion"]
    assert len({point.curve for point in humaneval.points}) == 3
    assert [point.label for point in humaneval.pareto] == ["ar", "dif (threshold=0.9)", "dif (threshold=0.5)"]
    assert [point.label for point in mbpp.points] == ["ar"]
    lines = pareto_frontier_lines(humaneval)
    assert len(lines) == 4
    assert "64.0 %" in lines[1]


def test_a_curve_connects_its_points_in_the_order_of_the_swept_values(tmp_path: Path) -> None:
    """Not in the order of their speeds."""
    for threshold, seconds in ((0.5, 1.0), (0.7, 3.0), (0.9, 2.0)):
        write_run(tmp_path / f"{threshold}", "m", outcomes(0.5), seconds, options={"threshold": threshold})
    [panel] = make_frontier_panels(load_runs([tmp_path]))
    figure, _ = draw_panels_with_caption([panel], [], "pass@1", "tokens/s")
    [line] = [line for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 3]
    speeds = {point.swept_values[0]: point.speed for point in panel.points}
    assert list(line.get_xdata()) == [speeds[0.5], speeds[0.7], speeds[0.9]]


def test_runs_that_differ_in_text_settings_form_no_curve(tmp_path: Path) -> None:
    for dtype in ("float32", "bfloat16"):

        def edit(config: dict[str, dict[str, object]], dtype: str = dtype) -> None:
            config["backend"]["dtype"] = dtype

        write_run(tmp_path / dtype, "m", outcomes(0.5), edit=edit)
    [panel] = make_frontier_panels(load_runs([tmp_path]))
    assert sorted(point.label for point in panel.points) == ["m (dtype=bfloat16)", "m (dtype=float32)"]
    assert len({point.curve for point in panel.points}) == 2


def test_runs_without_a_speed_are_left_out_and_counted(runs: Path) -> None:
    write_run(runs / "untimed", "m", outcomes(0.9), tokens=None)
    notes: list[str] = []
    drawn = make_frontier_panels(load_runs([runs]), note=notes.append)
    assert sum(len(panel.points) for panel in drawn) == 5
    assert "1 run without pass@1 or tokens/s omitted" in notes[0]
    with pytest.raises(UserError, match="no run has both"):
        make_frontier_panels(load_runs([runs / "untimed"]))


def test_samples_and_unofficial_data_have_their_own_panels(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "m", outcomes(0.5))
    write_run(tmp_path / "b", "m", outcomes(0.5), task="humaneval-sample")
    write_run(tmp_path / "c", "m", outcomes(0.5), official=False)
    assert [panel.title for panel in make_frontier_panels(load_runs([tmp_path]))] == [
        "humaneval, v1.0", "humaneval-sample, v1.0", "humaneval, v1.0, UNOFFICIAL DATA",
    ]  # fmt: skip


def test_an_incomplete_run_is_marked(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "m", outcomes(0.5, 20), limit=20)
    [panel] = make_frontier_panels(load_runs([tmp_path]))
    assert panel.points[0].label == "m*"
    assert panel.pareto == ()
    assert any("incomplete run" in line for line in frontier_caption_lines([panel], False))


def test_published_points_are_marked_and_have_their_conditions(runs: Path) -> None:
    [panel] = make_frontier_panels(load_runs([runs / "ar"]), load_published_results("mercury"))
    mini = next(point for point in panel.points if point.label == "Mercury Coder Mini")
    assert (mini.published, mini.rate, mini.speed, mini.family) == (True, 0.88, 1109, "diffusion")
    assert "H100" in mini.detail
    text = "\n".join(frontier_caption_lines([panel], True))
    assert "H100" in text
    assert "coding prompts" in text
    assert "one secondary source" in text


def texts_of(panels_: list[Panel]) -> list[list[tuple[float, float, float, float]]]:
    """The boxes of the labels of each panel, in pixels, as the renderer draws them."""
    figure, _ = draw_panels_with_caption(panels_, ["caption"], "pass@1", "tokens/s")
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    return [
        [text.get_window_extent(renderer).extents for text in axes.texts] for axes in figure.axes if axes.get_visible()
    ]


def many(count: int) -> list[Panel]:
    import random

    draw_ = random.Random(count)
    points = tuple(
        Point(f"model-{number} (threshold=0.{number % 10})", ("ar", "diffusion")[number % 2], (number // 5,),
              draw_.uniform(0.2, 0.9), (0.1, 0.95), 10 ** draw_.uniform(0.5, 3), None, "H100", "", short_label="0.5")
        for number in range(count)
    )  # fmt: skip
    ordered = tuple(sorted(points, key=lambda point: point.speed))
    return [Panel("humaneval", ordered, find_pareto_frontier(ordered))]


@pytest.mark.parametrize("count", [1, 7, 60])
def test_no_label_covers_another(count: int) -> None:
    [boxes] = texts_of(many(count))
    assert len(boxes) == 1 if count == 1 else len(boxes) >= 7
    for index, (left, low, right, high) in enumerate(boxes):
        for other in boxes[:index]:
            assert right <= other[0] + 1 or other[2] <= left + 1 or high <= other[1] + 1 or other[3] <= low + 1


@pytest.mark.parametrize("name", ["a.png", "a.svg", "a.html"])
def test_the_three_formats(runs: Path, tmp_path: Path, name: str) -> None:
    drawn = make_frontier_panels(load_runs([runs]), load_published_results("mercury"))
    write_frontier_plot(drawn, tmp_path / "new" / name, with_published=True)
    data = (tmp_path / "new" / name).read_bytes()
    assert data.startswith({"a.png": b"\x89PNG", "a.svg": b"<?xml", "a.html": b"<!doctype html>"}[name])


def test_the_page_has_a_note_about_every_point_and_loads_nothing_else(runs: Path, tmp_path: Path) -> None:
    drawn = make_frontier_panels(load_runs([runs]), load_published_results("mercury"))
    write_frontier_plot(drawn, tmp_path / "a.html", with_published=True)
    page = (tmp_path / "a.html").read_text()
    notes = json.loads(re.search(r"const points = (.*);", page)[1])  # type: ignore[index]
    assert len(notes) == 2 * sum(len(panel.points) for panel in drawn)  # the wide drawing and the one for phones
    assert all(f'id="{name}"' in page for name in notes)
    assert any("1109.0 tokens/s" in text and "NVIDIA H100" in text for text in notes.values())
    named = set(re.findall(r"https?://[^\s\"'<>\\]+", page.partition("<script>")[0]))
    assert all("w3.org" in address for address in named)  # XML namespaces, which are not loaded
    assert not re.search(r"(src|href)=\"(?!#)", page)


def test_an_unknown_format(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\.png, \.svg, \.pdf, \.html"):
        write_frontier_plot(make_frontier_panels(load_runs([runs])), tmp_path / "a.jpeg")


def test_the_notes_name_the_rate(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "m", [True, *[False] * 9] * 20, n=10)
    drawn = make_frontier_panels(load_runs([tmp_path / "a"]), metric="pass@10")
    write_frontier_plot(drawn, tmp_path / "a.html", "pass@10")
    page = (tmp_path / "a.html").read_text()
    note, _ = json.loads(re.search(r"const points = (.*);", page)[1]).values()  # type: ignore[index]
    assert "\npass@10 100.0 %" in note
    assert "pass@1 " not in page


def test_the_caption_explains_missing_published_points(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "m", outcomes(0.5), task="humaneval-sample")
    write_run(tmp_path / "b", "m", outcomes(0.5), task="santacoder-fim-js")
    points = load_published_results("mercury")

    def caption_of(folder: Path, metric: str = "pass@1") -> str:
        return "\n".join(frontier_caption_lines(make_frontier_panels(load_runs([folder]), points), True, metric))

    assert "are of whole benchmarks and are not drawn beside samples" in caption_of(tmp_path / "a")
    assert "No published result" not in caption_of(tmp_path / "a")
    assert "No published result has both a rate on these tasks and a speed" in caption_of(tmp_path / "b")
    assert "whole benchmarks" not in caption_of(tmp_path / "b")
    assert "not drawn beside pass@10" in caption_of(tmp_path / "b", "pass@10")


def test_the_caption_explains_steps_only_where_there_are_any(runs: Path) -> None:
    assert "Pareto" in frontier_caption_lines(make_frontier_panels(load_runs([runs])), False)[0]
    assert "Pareto" not in frontier_caption_lines(make_frontier_panels(load_runs([runs / "ar"])), False)[0]


def test_no_line_connects_runs_on_different_problems(tmp_path: Path) -> None:
    for limit, threshold, seconds in ((164, 0.5, 1.0), (20, 0.9, 2.0)):
        write_run(tmp_path / f"{limit}", "m", outcomes(0.5, limit), seconds, limit=limit,
                  options={"threshold": threshold})  # fmt: skip
    [panel] = make_frontier_panels(load_runs([tmp_path]))
    assert len(group_points_by_curve(panel)) == 2


def test_a_window_shows_a_row_of_panels_in_full(runs: Path, tmp_path: Path, browser: Any) -> None:
    write_frontier_plot(make_frontier_panels(load_runs([runs / "ar"])), tmp_path / "a.html")
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    page.goto(f"file://{tmp_path / 'a.html'}")
    box = page.locator(".wide svg").bounding_box()
    assert box["y"] + box["height"] <= 900
    point = page.locator("#point-0-0")
    point.hover()
    assert "pass@1 64.0 %" in page.locator("#note").inner_text()
    page.close()


def test_on_a_phone_the_text_is_legible_and_nothing_is_wider_than_the_window(
    runs: Path, tmp_path: Path, browser: Any
) -> None:
    write_frontier_plot(
        make_frontier_panels(load_runs([runs]), load_published_results("mercury"), speed_kind="request"),
        tmp_path / "a.html",
        with_published=True,
    )
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(f"file://{tmp_path / 'a.html'}")
    assert not page.locator(".wide").is_visible()
    heights = page.locator(".narrow svg text").evaluate_all("all => all.map(one => one.getBoundingClientRect().height)")
    assert len(heights) > 20
    assert min(heights) >= 9
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    ends = page.locator(".narrow svg text").evaluate_all("all => all.map(one => one.getBoundingClientRect().right)")
    assert max(ends) <= 390
    page.locator("#narrow-point-0-0").hover()
    assert "pass@1" in page.locator("#note").inner_text()
    page.close()


def test_a_picture_may_be_a_pdf(runs: Path, tmp_path: Path, cli: Callable[..., Any]) -> None:
    done = cli("frontier", runs, "--out", tmp_path / "a.pdf")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


def test_beside_published_points_the_default_is_the_speed_of_one_request(
    runs: Path, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    def drawn(*arguments: object) -> str:
        done = cli("frontier", runs, "--out", tmp_path / "a.svg", *arguments)
        assert done.returncode == 0, done.stderr
        return (tmp_path / "a.svg").read_text()

    assert "output tokens/s (log scale)" in drawn()
    assert "output tokens/s per request, median (log" in drawn("--published", "mercury")
    aggregate = drawn("--published", "mercury", "--speed", "aggregate")
    assert "output tokens/s (log scale)" in aggregate
    assert "Published speeds are of one request, those measured here of all requests together." in aggregate
    done = cli("frontier", runs, "--out", tmp_path / "a.svg", "--speed", "fast")
    assert (done.returncode, done.stderr) == (
        2, "error: --speed fast is unknown; give one of aggregate, steady, request, common\n"
    )  # fmt: skip


def test_the_axis_names_batch_and_concurrency(runs: Path) -> None:
    [panel] = make_frontier_panels(load_runs([runs / "ar"]))
    assert panel_measurement_conditions_text(panel) == "Xeon Platinum 8481C; batch 1"
    points = tuple(replace(point(float(number), 0.5), batch=f"concurrency {number}") for number in range(1, 7))
    assert (
        panel_measurement_conditions_text(Panel("t", points, ()))
        == "H100; concurrency 1 / concurrency 2 / concurrency 3 / others"
    )


spots = st.tuples(st.floats(0, 400), st.floats(0, 300))


@given(st.lists(spots, min_size=1, max_size=25), st.floats(10, 120))
def test_a_label_is_nearest_to_its_point_or_a_clear_line_leads_there(
    found: list[tuple[float, float]], width: float
) -> None:
    marks = [Box(x - 2, y - 2, 4, 4) for x, y in found]
    boxes = place_labels(found, [(width, 12)] * len(found), Box(0, 0, 400, 300), marks, all_points=found)
    for own, box in zip(found, boxes, strict=True):
        if not box:
            continue
        others = [other for other in boxes if other and other is not box]
        nearest = all(
            box.distance_to_point(*own) < box.distance_to_point(*other) or math.dist(own, other) <= 1 for other in found
        )
        end = box.nearest_point(*own)
        foreign = [mark for mark in marks if mark.distance_to_point(*own) > 0] + others
        clear = not any(mark.touches_segment(own, end) for mark in foreign)
        assert nearest or (clear and box.distance_to_point(*own) > MIN_LEADER)


spot = st.tuples(st.integers(0, 20), st.integers(0, 20))


@given(spot, spot)
def test_a_line_touches_a_box_where_one_of_its_points_lies_in_it(start: tuple[int, int], end: tuple[int, int]) -> None:
    box = Box(5, 8, 6, 3)
    on_line = [
        (start[0] + (end[0] - start[0]) * share / 1000, start[1] + (end[1] - start[1]) * share / 1000)
        for share in range(1001)
    ]
    distance = min(box.distance_to_point(*point) for point in on_line)
    assert box.touches_segment(start, end) == (distance < 0.03)


def test_a_crowded_point_is_labelled_from_afar() -> None:
    crowd = [(200 + 14.0 * column, 150 + 14.0 * row) for column in range(-1, 2) for row in range(-1, 2)]
    marks = [Box(x - 5, y - 5, 10, 10) for x, y in crowd]
    boxes = place_labels(crowd[3:4], [(60, 12)], Box(0, 0, 400, 300), marks, all_points=crowd)
    assert boxes != [None]


@pytest.mark.parametrize("panel_count", [1, 2])
def test_the_legend_lies_within_the_picture(panel_count: int) -> None:
    kinds = [(family, published) for family in ("ar", "diffusion", "other") for published in (False, True)]
    points = tuple(
        Point("m", family, (number,), 0.9 - number / 10, None, 10.0 + number, None, "H100", "", published)
        for number, (family, published) in enumerate(kinds)
    )
    figure, _ = draw_panels_with_caption(
        [Panel("humaneval", points, find_pareto_frontier(points))] * panel_count, [], "pass@1", "tokens/s"
    )
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    box = figure.legends[0].get_window_extent(FigureCanvasAgg(figure).get_renderer())
    title = figure.axes[0].get_position().y1 * figure.bbox.height + 25
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert box.y0 >= title
