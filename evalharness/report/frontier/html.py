"""The frontier as one HTML file: the drawing inline, and a note about each point under pointer or keyboard focus."""

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalharness.report.frontier.points import Panel, Point

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROW_HEIGHT = 95
"""A row of panels is at most so many hundredths of the window high."""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Speed and quality</title>
<style>
body{margin:0;font:14px system-ui,sans-serif;background:#fff;color:#222}
main{max-width:1500px;margin:auto;padding:8px}
svg{width:100%;height:auto;max-height:HEIGHTvh}
svg [data-point]{cursor:pointer;outline:none}
svg [data-point]:focus path,svg [data-point]:hover path,svg [data-point]:focus use,svg [data-point]:hover use
{stroke:#000!important;stroke-width:2!important}
#note{position:fixed;display:none;max-width:28em;padding:8px 10px;border:1px solid #888;border-radius:6px;
background:#fff;color:#222;box-shadow:0 2px 8px #0003;white-space:pre-line;pointer-events:none;overflow-wrap:anywhere}
@media (prefers-color-scheme:dark){body{background:#16181b;color:#ddd}main>svg{background:#fff;border-radius:6px}}
</style></head><body><main>
SVG
<div id="note" role="status"></div></main>
<script>
const points = POINTS;
const note = document.getElementById("note");
function show(mark, x, y) {
  note.textContent = points[mark.id];
  note.style.display = "block";
  note.style.left = Math.max(4, Math.min(x + 14, innerWidth - note.offsetWidth - 8)) + "px";
  note.style.top = Math.max(4, Math.min(y + 14, innerHeight - note.offsetHeight - 8)) + "px";
}
function hide() { note.style.display = "none"; }
for (const id in points) {
  const mark = document.getElementById(id);
  mark.dataset.point = "";
  mark.tabIndex = 0;
  mark.setAttribute("role", "img");
  mark.setAttribute("aria-label", points[id]);
  mark.addEventListener("pointermove", event => show(mark, event.clientX, event.clientY));
  mark.addEventListener("pointerleave", hide);
  mark.addEventListener("focus", () => {
    const box = mark.getBoundingClientRect();
    show(mark, box.right, box.bottom);
  });
  mark.addEventListener("blur", hide);
}
addEventListener("keydown", event => { if (event.key === "Escape") hide(); });
</script></body></html>
"""


def write_html(figure: "Figure", every: Sequence[Panel], out: Path, metric: str = "pass@1") -> None:
    """Writes the page: one file that asks nothing of any other place. A window shows at least one row of panels."""
    rows = len({axes.get_position().y0 for axes in figure.axes})
    held = json.dumps(notes(every, metric)).replace("<", "\\u003c")
    page = PAGE.replace("HEIGHT", str(ROW_HEIGHT * rows), 1)
    out.write_text(page.replace("SVG", inline(figure), 1).replace("POINTS", held, 1), encoding="utf-8")


def inline(figure: "Figure") -> str:
    """The drawing as an element of a page."""
    drawing = io.StringIO()
    figure.savefig(drawing, format="svg", metadata={"Date": None, "Creator": None})
    text = drawing.getvalue()
    return re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)


def notes(every: Sequence[Panel], metric: str = "pass@1") -> dict[str, str]:
    """What the note says of each point, by the id of its mark in the drawing; `metric` names the rate."""
    return {
        f"point-{number}-{place}": about(panel, point, metric)
        for number, panel in enumerate(every)
        for place, point in enumerate(panel.points)
    }


def about(panel: Panel, point: Point, metric: str) -> str:
    """What the note says of a point."""
    rate = f"{metric} {100 * point.rate:.1f} %" + _ends(point.rate_ends, 100)
    speed = f"{point.speed:.1f} tokens/s" + _ends(point.speed_ends, 1)
    kind = (
        "published, not measured here" if point.published else "on the Pareto frontier" if point in panel.pareto else ""
    )
    return "\n".join(filter(None, [point.label, panel.title, rate, speed, kind, point.detail]))


def _ends(ends: tuple[float, float] | None, scale: float) -> str:
    return f" [{scale * ends[0]:.1f}, {scale * ends[1]:.1f}]" if ends else ""
