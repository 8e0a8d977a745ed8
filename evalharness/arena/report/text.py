"""The arena's report as Markdown, for the terminal."""

from collections.abc import Iterator, Sequence

from evalharness.arena.report.tables import Section, Table


def format_report_as_markdown(sections: Sequence[Section]) -> Iterator[str]:
    """Yields the lines of the arena's report in Markdown."""
    for section in sections:
        yield f"## {replace_unprintable(section.title)}"
        yield ""
        for sentence in section.sentences:
            yield from (sentence, "")
        for table in section.tables:
            yield from (f"### {table.title}", "", *_format_markdown_table(table), "")
            if table.note:
                yield from (replace_unprintable(table.note), "")


def _format_markdown_table(table: Table) -> Iterator[str]:
    rows = [[_escape_markdown_cell(text) for text in row] for row in (table.headings, *table.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.headings))]
    for number, row in enumerate(rows):
        cells = [
            text.rjust(width) if column else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield f"| {' | '.join(cells)} |"
        if number == 0:
            rules = ["-" * (width + 1) + (":" if column else "-") for column, width in enumerate(widths)]
            yield f"|{'|'.join(rules)}|"


def replace_unprintable(text: str) -> str:
    """Returns a text with each unprintable character, which a terminal might interpret, replaced by U+FFFD."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _escape_markdown_cell(text: str) -> str:
    """Returns a text for a cell of a Markdown table: `|` is escaped, unprintable characters are replaced."""
    return replace_unprintable(text).replace("|", "\\|")
