"""Prints tables and paragraphs to stdout without breaking names over lines."""

import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evalharness.records.options import OptionDescription
from evalharness.util.visible import escape_control_characters, raise_write_error_as_user_error, unwrap_stream

WIDTH_WITHOUT_TERMINAL = 200
"""Columns of a table that is written to a file or a pipe."""
NOT_SET = "-"
"""Text in tables for an option without a default."""


class StdoutConsole(Console):
    """A rich console on stdout that raises BrokenPipeError instead of ending the process; `run_app` handles it."""

    def __init__(self, **settings: Any):
        super().__init__(file=unwrap_stream(sys.stdout), **settings)

    def on_broken_pipe(self) -> None:
        """Raises the BrokenPipeError that rich has caught."""
        raise


def stdout_console() -> StdoutConsole:
    """Returns a rich console as wide as the terminal or $COLUMNS, else `WIDTH_WITHOUT_TERMINAL` columns wide."""
    console = StdoutConsole()
    has_width = console.is_terminal or "COLUMNS" in os.environ
    return console if has_width else StdoutConsole(width=WIDTH_WITHOUT_TERMINAL)


def make_table(*headings: str) -> Table:
    """Returns an empty rich table with these column headings and no frame. Long cells are wrapped."""
    table = Table(show_edge=False, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def print_table(table: Table, keep_words_whole: bool = False) -> None:
    """Prints a table at most as wide as the terminal; with `keep_words_whole`, wider if a word would be split."""
    console = stdout_console()
    for column in table.columns:
        column._cells = [
            Text(escape_control_characters(cell)) if isinstance(cell, str) else cell for cell in column.cells
        ]
    if keep_words_whole:
        _, right, _, left = table.padding
        between = (right + 1 + left) * (len(table.columns) - 1)
        texts = [[str(cell) for cell in (column.header, *column.cells)] for column in table.columns]
        for number, column in enumerate(table.columns):
            if column.no_wrap:  # each line is one word
                texts[number] = [text.replace(" ", "-") for text in texts[number]]
        widths = fit_column_widths(texts, console.width - between)
        preferred = [max(width, column.min_width or 0) for column, width in zip(table.columns, widths, strict=True)]
        widths = preferred if sum(preferred) + between <= console.width else widths
        for column, width in zip(table.columns, widths, strict=True):
            column.width = width
        if sum(widths) + between > console.width:
            console = StdoutConsole(width=sum(widths) + between)
    with raise_write_error_as_user_error(console.file):  # type: ignore[arg-type]
        console.print(table)


def fit_column_widths(texts_by_column: Sequence[Sequence[str]], max_total_width: int) -> list[int]:
    """Returns a width, in characters, for each column of a table. `texts_by_column` has the texts of each column.

    The widths add up to at most `max_total_width`, unless a word would be split. The widest columns are narrowed first.
    rich's own widths are not used, because it may split or truncate words.
    """
    widths = [max(cell_len(line) for text in column for line in text.split("\n")) for column in texts_by_column]
    words = [max((cell_len(word) for text in column for word in text.split()), default=0) for column in texts_by_column]
    while sum(widths) > max_total_width:
        reducible = [index for index, width in enumerate(widths) if width > words[index]]
        if not reducible:
            break
        widths[max(reducible, key=widths.__getitem__)] -= 1
    return widths


def print_option_descriptions(descriptions: Sequence[OptionDescription], owner_name: str) -> None:
    """Prints a table of the options of `owner_name` (a task, a backend or the sandbox): values, default, meaning."""
    if not descriptions:
        print(f"{owner_name} has no options")
        return
    table = make_table("option", "values", "default", "meaning")
    for option in descriptions:
        table.add_row(option.name, option.values, option.default or NOT_SET, option.help)
    print_table(table, keep_words_whole=True)


def print_paragraphs(texts: Iterable[str], indent: str = "") -> None:
    """Prints each text as a paragraph, wrapped at the terminal's width.

    All lines of a paragraph but the first begin with `indent`.
    """
    width = min(stdout_console().width, 120)
    for text in texts:
        lines = textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        sys.stdout.write("\n".join(lines) + "\n")
