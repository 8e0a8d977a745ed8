import pytest
from rich.table import Table

from evalharness.cli.tables import print_table

WORDS = ("humaneval-sample", "at most 8 new tokens", "temperature=0.5", "2 of 16 problems, 4 at the token limit")
NUMBERS = ("[0.0, 65.8]", "1234.5", "p50 0.08 s", "TTFT 0.05 s")


@pytest.mark.parametrize("columns", [60, 70, 80, 90, 200])
def test_numbers_are_whole_in_a_terminal_of_any_width(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    table = Table(padding=0, show_edge=False)
    for name in ("task", "backend", "samples"):
        table.add_column(name, overflow="fold", min_width=9)
    for name in ("pass@1", "tokens/s", "latency"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("\n".join(WORDS[:2]), WORDS[2], WORDS[3], NUMBERS[0], NUMBERS[1], "\n".join(NUMBERS[2:]))
    print_table(table, keep_words_whole=True)
    printed = capsys.readouterr().out
    assert all(number in printed for number in NUMBERS), printed
    assert all(word in printed for text in WORDS for word in text.split()), printed


@pytest.mark.parametrize(("padding", "separator"), [(0, 1), (1, 3)])
def test_a_table_that_fits_exactly_is_not_wrapped(
    padding: int, separator: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = ("two words", "three more words", "1")
    monkeypatch.setenv("COLUMNS", str(sum(map(len, cells)) + 2 * separator))
    table = Table(padding=(0, padding), show_edge=False, pad_edge=False, show_header=False)
    table.add_row(*cells)
    print_table(table, keep_words_whole=True)
    assert len(capsys.readouterr().out.splitlines()) == 1
