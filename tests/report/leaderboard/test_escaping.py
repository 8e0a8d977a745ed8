"""Names of models are shown as text in each format, whatever they contain."""

import csv
import html
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from helpers.made_runs import outcomes, write_run
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from evalharness.report.leaderboard.boards import make_leaderboard_tables
from evalharness.report.leaderboard.escaping import FORMULA, escape_csv_cell, escape_latex, escape_markdown
from evalharness.report.leaderboard.html import leaderboard_html_page as as_html
from evalharness.report.leaderboard.text import leaderboard_csv, leaderboard_latex, leaderboard_markdown
from evalharness.report.runs import load_runs
from evalharness.util.text import one_line
from evalharness.util.visible import CONTROL_CHARACTERS, escape_control_characters

GFM = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
NAMES = (
    "<img src=x onerror=alert(1)>", "[a](javascript:alert(1))", "![a](x)", "`a`", "*a* **b** _c_ ~~d~~", "a|b", r"\|a",
    "http://evil.example/a", "www.evil.example", "me@evil.example", "&lt;b&gt;", "$x$", "=1+1", "-1", "@a", "+a",
    r"\input{a}", "[1cm]a", "*a", "%a", "a\\\\b", "\x1b[31ma", "\u202eabc", "a\nb", "\ud800", "\x00", "\t=1", "a_b",
)  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(NAMES), st.text(st.sampled_from("ab1 <>[]()!*_~`|\\&;#$@:/.=-+\t\n\x1b\u202e"), max_size=30)
)


class Shown(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(TEXTS)
def test_markdown_shows_the_text_itself(name: str) -> None:
    page = Shown(GFM.render(f"| {escape_markdown(name)} | x |\n| --- | --- |\n"))
    assert set(page.tags) == {"table", "thead", "tr", "th"}
    assert one_line(page.text) == one_line(f"{escape_control_characters(one_line(name))} x")


@given(TEXTS)
def test_csv_reads_back_as_a_text_that_is_no_formula(name: str) -> None:
    file = io.StringIO()
    csv.writer(file).writerow([escape_csv_cell(name)])
    (cell,) = next(csv.reader(io.StringIO(file.getvalue(), newline="")))
    assert not cell.lstrip(" ").startswith(FORMULA)
    assert cell.removeprefix("'") == escape_control_characters(name).removeprefix("'")


@given(TEXTS)
def test_latex_has_no_command_of_the_text(name: str) -> None:
    text = escape_latex(name)
    commands = re.sub(r"\\(?:text\w+\{\}|[&%_#${}])|\{[\[\]*]\}", "", text)
    assert not re.search(r"[\\{}$&#^_%~\[\]*]", commands)
    assert not CONTROL_CHARACTERS.search(text)


@pytest.mark.parametrize("name", NAMES)
def test_each_format_of_the_leaderboard(name: str, tmp_path: Path) -> None:
    write_run(tmp_path / "a", f"m{name}".replace("/", "∕"), outcomes(0.5))
    shown = escape_control_characters(one_line(f"m{name}".replace("/", "∕")))
    boards = make_leaderboard_tables(load_runs([tmp_path]))
    page = Shown(GFM.render(leaderboard_markdown(boards)))
    assert {"img", "a", "code", "em", "del"}.isdisjoint(page.tags)
    assert shown in page.text
    assert shown in Shown(as_html(boards)).text
    assert shown in html.unescape(as_html(boards))
    assert shown in next(csv.DictReader(io.StringIO(leaderboard_csv(boards))))["model"]
    for text in (leaderboard_markdown(boards), leaderboard_csv(boards), leaderboard_latex(boards), as_html(boards)):
        assert not CONTROL_CHARACTERS.search(text)
        text.encode()
