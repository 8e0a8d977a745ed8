"""The leaderboard as one HTML file that asks nothing of other places: sortable, also from the keyboard."""

from collections.abc import Sequence
from html import escape

from evalharness.report.leaderboard.boards import Board, Line, mark
from evalharness.report.leaderboard.columns import Column
from evalharness.report.leaderboard.text import LEGEND, percent

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
<p>LEGEND Colours and marks of models: <span class="ar">&#9679; autoregressive</span>,
<span class="diffusion">&#9650; diffusion</span>, <span class="other">&#9632; family not stated</span>.</p>
BOARDS
<script>
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => head.querySelector("button").addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") !== "descending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = row => row.cells[place].dataset.key ?? "";
    const rows = [...table.tBodies[0].rows];
    rows.sort((one, two) => {
      const a = key(one), b = key(two);
      if (a === "" || b === "") return (a === "") - (b === "");
      const gap = head.dataset.text === undefined ? a - b : a.localeCompare(b);
      return down ? -gap : gap;
    });
    table.tBodies[0].append(...rows);
  }));
}
</script></body></html>
"""
MARKS = {"ar": "&#9679;", "diffusion": "&#9650;", "other": "&#9632;"}


def html(boards: Sequence[Board]) -> str:
    """The page."""
    return PAGE.replace("BOARDS", "\n".join(map(table, boards)), 1).replace("LEGEND", escape(LEGEND), 1)


def table(board: Board) -> str:
    """One board with its heading and notes, to stand in a page."""
    heads = [_head("model", text=True), *(_head(column.title, column.data) for column in board.columns),
             _head("tokens/s"), _head("speed holds for", text=True)]  # fmt: skip
    rows = "\n".join(_row(board, line) for line in board.lines)
    notes = [f"<li>{mark(number)}: {escape(note)}</li>" for number, note in enumerate(board.notes)]
    if any(not cell.whole for line in board.lines for cell in line.cells.values()):
        notes.insert(0, "<li>*: the run is incomplete and not ranked</li>")
    heading = f"<h2>{escape(board.heading)}</h2>" if board.heading else ""
    label = escape(board.heading or "Full data")
    return (
        f'{heading}<div class="wide" tabindex="0" role="region" aria-label="{label}"><table>\n'
        f"<thead><tr>{''.join(heads)}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
        f'<ul class="notes">{"".join(notes)}</ul>'
    )


def _head(title: str, small: str = "", text: bool = False) -> str:
    under = f"<small>{escape(small)}</small>" if small else ""
    kind = ' data-text=""' if text else ""
    return f'<th scope="col"{kind}><button type="button">{escape(title)}</button>{under}</th>'


def _row(board: Board, line: Line) -> str:
    name = escape(line.name)
    cells = [f'<th scope="row" data-key="{name}"><span class="{line.family}">{MARKS[line.family]}</span> {name}</th>']
    cells += [_cell(board, line, column) for column in board.columns]
    speed = "" if line.speed is None else f"{line.speed:.4f}"
    cells.append(f'<td data-key="{speed}">{"-" if line.speed is None else f"{line.speed:.1f}"}</td>')
    conditions = escape(line.conditions)
    cells.append(f'<td data-key="{conditions}">{conditions or "-"}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _cell(board: Board, line: Line, column: Column) -> str:
    cell = line.cells.get(column)
    if cell is None:
        return '<td data-key="">-</td>'
    value, ends = percent(cell)
    shown = f"<b>{value}</b>" if cell.best else value
    notes = board.notes_of(cell)
    marks = f' <sup class="mark" title="{escape("; ".join(cell.notes))}">{notes}</sup>' if notes else ""
    return f'<td data-key="{cell.rate.value:.6f}">{shown}{marks}<small>{ends}</small></td>'
