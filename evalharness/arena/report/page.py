"""The arena's report as a self-contained HTML page in the style of the run reports."""

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from evalharness.arena.measurements import ModelMeasurements
from evalharness.arena.report.picture import draw_preference_figure, make_preference_panel
from evalharness.arena.report.tables import Section, Table
from evalharness.arena.statistics.summary import VoteSummary
from evalharness.errors import UserError
from evalharness.report.frontier.html import wide_and_narrow_svg_html
from evalharness.report.frontier.layout import NARROW
from evalharness.report.page.document import FILE_POLICY, make_html_document
from evalharness.report.page.static_files import STATIC

STYLES = ("theme.css", "page.css", "tables.css", "embedded.css")
OWN_STYLE = Path(__file__).with_name("static") / "arena-report.css"
RESULTS = "arena.json"
BODY = """
<header class="bar"><span class="brand">evalharness arena</span><span class="crumbs">Report</span>
<button type="button" id="theme-button" class="quiet">Dark</button></header>
<main class="overview">
<h1>Arena</h1>
<p class="lead">Strengths of models by blind votes on pairs of answers. Votes of people and of models are never
combined.</p>
{parts}
</main>
"""


def write_report(
    out_folder: Path,
    summaries: Sequence[VoteSummary],
    sections: Sequence[Section],
    measurements: Mapping[str, ModelMeasurements],
) -> Path:
    """Writes the arena's HTML report into folder `out_folder` and returns the path of its index.html.

    Also writes style sheets, arena.json (the results) and, if speeds are known, the plot of preference against speed as
    strengths.svg and strengths.png. Raises UserError if the folder cannot be written.
    """
    try:
        (out_folder / "static").mkdir(parents=True, exist_ok=True)
        for path in (*(STATIC / name for name in (*STYLES, "theme.js")), OWN_STYLE):
            shutil.copyfile(path, out_folder / "static" / path.name)
        parts = [
            _format_section_html(section, _save_plot_and_make_html(summary, measurements, out_folder))
            for summary, section in zip(summaries, sections, strict=True)
        ]
        (out_folder / RESULTS).write_text(
            json.dumps([_replace_infinite_numbers(asdict(summary)) for summary in summaries], indent=2) + "\n"
        )
        page = out_folder / "index.html"
        body = BODY.format(parts="\n".join(parts))
        html = make_html_document(
            "evalharness arena report", body, (*STYLES, OWN_STYLE.name), content_security_policy=FILE_POLICY
        )
        page.write_text(html, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"cannot write the report to {out_folder}: {error.strerror}; give another folder with --out"
        ) from None
    return page


def _format_section_html(section: Section, plot_html: str) -> str:
    lines = "".join(f"<p>{escape(sentence)}</p>" for sentence in section.sentences)
    strengths, *others = map(_format_table_html, section.tables)
    return (
        f'<section class="part"><h2>{escape(section.title)}</h2>{strengths}{plot_html}'
        f'<div class="sentences">{lines}</div>{"".join(others)}</section>'
    )


def _format_table_html(table: Table) -> str:
    headings = "".join(
        f'<th scope="col"{" class=number" if column else ""}>{escape(text)}</th>'
        for column, text in enumerate(table.headings)
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f'<td class="number">{escape(text)}</td>' for text in row[1:])
        + "</tr>"
        for row in table.rows
    )
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<h3>{escape(table.title)}</h3><div class="wide fit" tabindex="0" role="region" '
        f'aria-label="{escape(table.title)}"><table><thead><tr>{headings}</tr></thead><tbody>{rows}</tbody></table></div>{note}'
    )


def _save_plot_and_make_html(
    summary: VoteSummary, measurements: Mapping[str, ModelMeasurements], out_folder: Path
) -> str:
    """Saves the plot of preference against speed in folder `out_folder` and returns the HTML that shows it.

    Returns "" and saves nothing if fewer than two models' speeds are known, and for a judge model's votes.
    """
    panel = None if summary.judge else make_preference_panel(summary, measurements)
    if panel is None:
        return ""
    figure = draw_preference_figure(panel)
    figure.savefig(out_folder / "strengths.svg")
    figure.savefig(out_folder / "strengths.png")
    drawings = wide_and_narrow_svg_html(figure, draw_preference_figure(panel, NARROW))
    return f'<h3>Preference and speed</h3><div class="drawing">{drawings}</div>'


def _replace_infinite_numbers(json_value: Any) -> Any:
    """Returns `json_value` with each infinite number (end of an interval) or NaN replaced by None, JSON's null."""
    if isinstance(json_value, Mapping):
        return {key: _replace_infinite_numbers(item) for key, item in json_value.items()}
    if isinstance(json_value, list | tuple):
        return [_replace_infinite_numbers(item) for item in json_value]
    return None if isinstance(json_value, float) and not math.isfinite(json_value) else json_value
