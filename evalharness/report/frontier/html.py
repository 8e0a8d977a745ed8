"""The frontier plot as one HTML file: the drawing, and a note about each point under the pointer or in focus."""

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalharness.metrics.intervals import Interval
from evalharness.report.frontier.layout import NARROW
from evalharness.report.frontier.panel import make_point_id
from evalharness.report.frontier.points import Panel, Point

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROW_HEIGHT = 95
"""Maximal height of a row of the plot's panels, in percent of the window's height."""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Speed and quality</title>
<style>
body{margin:0;font:14px system-ui,sans-serif;background:#fff;color:#222}
main{max-width:1500px;margin:auto;padding:8px}
svg{width:100%;height:auto;max-height:HEIGHTvh}
.narrow{display:none}
.narrow svg{max-height:none}
@media (max-width:640px){main{padding:4px}.wide{display:none}.narrow{display:block}}
svg [data-point]{cursor:pointer;outline:none}
svg [data-point]:focus path,svg [data-point]:hover path,svg [data-point]:focus use,svg [data-point]:hover use
{stroke:#000!important;stroke-width:2!important}
#note{position:fixed;display:none;max-width:28em;padding:8px 10px;border:1px solid #888;border-radius:6px;
background:#fff;color:#222;box-shadow:0 2px 8px #0003;white-space:pre-line;pointer-events:none;overflow-wrap:anywhere}
@media (prefers-color-scheme:dark){body{background:#16181b;color:#ddd}main svg{background:#fff;border-radius:6px}}
</style></head><body><main>
<div class="wide">SVG</div><div class="narrow">NARROW</div>
<div id="note" role="status"></div></main>
<script>
const points = POINTS;
const note = document.getElementById("note");
function show(marker, x, y) {
  note.textContent = points[marker.id];
  note.style.display = "block";
  note.style.left = Math.max(4, Math.min(x + 14, innerWidth - note.offsetWidth - 8)) + "px";
  note.style.top = Math.max(4, Math.min(y + 14, innerHeight - note.offsetHeight - 8)) + "px";
}
function hide() { note.style.display = "none"; }
for (const id in points) {
  const marker = document.getElementById(id);
  marker.dataset.point = "";
  marker.tabIndex = 0;
  marker.setAttribute("role", "img");
  marker.setAttribute("aria-label", points[id]);
  marker.addEventListener("pointermove", event => show(marker, event.clientX, event.clientY));
  marker.addEventListener("pointerleave", hide);
  marker.addEventListener("focus", () => {
    const box = marker.getBoundingClientRect();
    show(marker, box.right, box.bottom);
  });
  marker.addEventListener("blur", hide);
}
addEventListener("keydown", event => { if (event.key === "Escape") hide(); });
</script></body></html>
"""


def write_frontier_html(
    wide_figure: "Figure", narrow_figure: "Figure", panels: Sequence[Panel], out: Path, metric: str = "pass@1"
) -> None:
    """Writes the frontier plot as one self-contained HTML file, scaled so that a row of panels fits into the window.

    `narrow_figure` is a version of `wide_figure` that is shown in windows as narrow as a phone's.
    """
    rows = len({axes.get_position().y0 for axes in wide_figure.axes})
    notes = tooltips_by_point_id(panels, metric) | tooltips_by_point_id(panels, metric, NARROW.name)
    parts = {
        "HEIGHT": str(ROW_HEIGHT * rows),
        "SVG": convert_figure_to_svg(wide_figure),
        "NARROW": convert_figure_to_svg(narrow_figure, NARROW.name),
        "POINTS": json.dumps(notes).replace("<", "\\u003c"),
    }
    pattern = re.compile("|".join(parts))
    out.write_text(pattern.sub(lambda match: parts[match[0]], PAGE), encoding="utf-8")


def convert_figure_to_svg(figure: "Figure", id_salt: str = "evalharness") -> str:
    """Returns a Matplotlib figure as the text of an <svg> element; `id_salt` makes its ids unique within a page."""
    import matplotlib

    matplotlib.rcParams["svg.hashsalt"] = id_salt
    drawing = io.StringIO()
    figure.savefig(drawing, format="svg", metadata={"Date": None, "Creator": None})
    text = drawing.getvalue()
    return re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)


def wide_and_narrow_svg_html(wide_figure: "Figure", narrow_figure: "Figure") -> str:
    """Returns HTML with two versions of a plot as SVG; the page's style sheet shows the narrow one on phones."""
    return (
        f'<div class="wide-drawing">{convert_figure_to_svg(wide_figure)}</div>'
        f'<div class="narrow-drawing">{convert_figure_to_svg(narrow_figure, NARROW.name)}</div>'
    )


def tooltips_by_point_id(panels: Sequence[Panel], metric: str = "pass@1", layout_name: str = "point") -> dict[str, str]:
    """Returns the tooltip of each point of the frontier plot, by the id of the point's SVG marker.

    `layout_name` is the name of the plot's layout, with which the ids begin.
    """
    return {
        make_point_id(panel_index, point_index, layout_name): make_point_tooltip(panel, point, metric)
        for panel_index, panel in enumerate(panels)
        for point_index, point in enumerate(panel.points)
    }


def make_point_tooltip(panel: Panel, point: Point, metric: str) -> str:
    """Returns the tooltip of a point of the frontier plot: name, task, rate, speed and conditions."""
    rate = f"{metric} {100 * point.rate:.1f} %" + _format_interval(point.rate_ci95, 100)
    speed = f"{point.speed:.1f} tokens/s" + _format_interval(point.speed_ci95, 1)
    on_frontier = "on the Pareto frontier" if point in panel.pareto else ""
    kind = "published, not measured here" if point.published else on_frontier
    return "\n".join(filter(None, [point.label, panel.title, rate, speed, kind, point.detail]))


def _format_interval(interval: Interval | None, scale: float) -> str:
    return f" [{scale * interval[0]:.1f}, {scale * interval[1]:.1f}]" if interval else ""
