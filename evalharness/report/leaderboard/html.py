"""The leaderboard as one HTML file that loads nothing else. Its columns sort by pointer and by keyboard."""

from collections.abc import Sequence
from html import escape

from evalharness.report.leaderboard.boards import LeaderboardTable, make_footnote_mark
from evalharness.report.leaderboard.cells import Cell, ModelRow
from evalharness.report.leaderboard.frames import ABSENT, SPEED_HEADINGS
from evalharness.report.leaderboard.text import INCOMPLETE, LEGEND, rate_and_interval_texts

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Leaderboard</title>
<style>
:root{color-scheme:light dark;--line:#d5d8dc;--soft:#5b6570;--head:#f3f4f6;
--ar:#0072B2;--diffusion:#C24E00;--other:#5D6B75}
@media (prefers-color-scheme:dark){:root{--line:#3a3f45;--soft:#a0a8b0;--head:#22262b;--ar:#5db4ea;--diffusion:#ff9457;
--other:#9aa7b1}body{background:#16181b;color:#e3e5e8}}
body{font:14px system-ui,sans-serif;margin:16px}
.wide{overflow-x:auto;border:1px solid var(--line);border-radius:6px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:5px 9px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap;vertical-align:top}
tbody tr:last-child>*{border-bottom:0}
th:first-child,td:last-child,th:last-child{text-align:left}
td:last-child{white-space:normal;min-width:16em}
tbody th{position:sticky;left:0;background:Canvas;font-weight:500}
@media (prefers-color-scheme:dark){tbody th{background:#16181b}}
thead th{background:var(--head);vertical-align:bottom}
thead button{all:unset;cursor:pointer;font-weight:600}
thead button:focus-visible{outline:2px solid var(--ar);outline-offset:2px}
thead small,td small,.notes{display:block;color:var(--soft);font-weight:400}
th[aria-sort=ascending] button::after{content:" \\25B2"}
th[aria-sort=descending] button::after{content:" \\25BC"}
.mark{line-height:0;font-weight:400;color:var(--soft)}
.ar{color:var(--ar)}.diffusion{color:var(--diffusion)}.other{color:var(--other)}
h2{font-size:1.1em;margin:1.6em 0 .5em}
.notes{margin:.5em 0;padding:0;list-style:none}
</style></head><body>
<h1 style="font-size:1.35em">Leaderboard</h1>
<p>LEGEND Models: <span class="ar">&#9679; autoregressive</span>,
<span class="diffusion">&#9650; diffusion</span>, <span class="other">&#9632; unknown type</span>.</p>
BOARDS
<script>
for (const table of document.querySelectorAll("table")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, index) => heading.querySelector("button").addEventListener("click", () => {
    const descending = heading.getAttribute("aria-sort") !== "descending";
    headings.forEach(other => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const sortKey = row => row.cells[index].dataset.key ?? "";
    const rows = [...table.tBodies[0].rows];
    rows.sort((first, second) => {
      const a = sortKey(first), b = sortKey(second);
      if (a === "" || b === "") return (a === "") - (b === "");  // Rows without a value are last in either order.
      const order = heading.dataset.text === undefined ? a - b : a.localeCompare(b);
      return descending ? -order : order;
    });
    table.tBodies[0].append(...rows);
  }));
}
</script></body></html>
"""
FAMILY_SIGNS = {"ar": "&#9679;", "diffusion": "&#9650;", "other": "&#9632;"}


def leaderboard_html_page(boards: Sequence[LeaderboardTable]) -> str:
    """Returns the leaderboard as a complete HTML page."""
    return PAGE.replace("BOARDS", "\n".join(map(table_to_html, boards)), 1).replace("LEGEND", escape(LEGEND), 1)


def table_to_html(board: LeaderboardTable) -> str:
    """Returns the HTML of one leaderboard table with heading and footnotes, for insertion into a page."""
    speed_heading, conditions_heading = SPEED_HEADINGS
    headings = [
        _column_heading_html("model", sorts_as_text=True),
        *(_column_heading_html(column.title, column.data) for column in board.columns),
        _column_heading_html(speed_heading),
        _column_heading_html(conditions_heading, sorts_as_text=True),
    ]
    rows = "\n".join(_row_html(board, row) for row in board.rows)
    notes = [f"<li>{make_footnote_mark(index)}: {escape(note)}</li>" for index, note in enumerate(board.notes)]
    if board.has_incomplete_runs:
        notes.insert(0, f"<li>*: {INCOMPLETE}</li>")
    title = f"<h2>{escape(board.heading)}</h2>" if board.heading else ""
    return (
        f'{title}<div class="wide" tabindex="0" role="region" aria-label="{escape(board.name)}"><table>\n'
        f"<thead><tr>{''.join(headings)}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
        f'<ul class="notes">{"".join(notes)}</ul>'
    )


def _column_heading_html(title: str, data_version: str = "", sorts_as_text: bool = False) -> str:
    """Returns the HTML of a column's heading; `sorts_as_text` is whether its values are sorted as text, not numbers."""
    small = f"<small>{escape(data_version)}</small>" if data_version else ""
    kind = ' data-text=""' if sorts_as_text else ""
    return f'<th scope="col"{kind}><button type="button">{escape(title)}</button>{small}</th>'


def _row_html(board: LeaderboardTable, row: ModelRow) -> str:
    name, sign = escape(row.name), FAMILY_SIGNS[row.family]
    cells = [f'<th scope="row" data-key="{name}"><span class="{row.family}">{sign}</span> {name}</th>']
    cells += [_cell_html(board, row.cells.get(column)) for column in board.columns]
    speed = row.tokens_per_s
    cells.append(f'<td data-key="">{ABSENT}</td>' if speed is None else f'<td data-key="{speed:.4f}">{speed:.1f}</td>')
    conditions = escape(row.speed_conditions)
    cells.append(f'<td data-key="{conditions}">{conditions or ABSENT}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _cell_html(board: LeaderboardTable, cell: Cell | None) -> str:
    if cell is None:
        return f'<td data-key="">{ABSENT}</td>'
    value, interval = rate_and_interval_texts(cell)
    shown = f"<b>{value}</b>" if cell.best else value
    marks = board.footnote_marks(cell)
    sup = f' <sup class="mark" title="{escape("; ".join(cell.notes))}">{marks}</sup>' if marks else ""
    return f'<td data-key="{cell.rate.value:.6f}">{shown}{sup}<small>{interval}</small></td>'
