"""A time window selects the same problems as the official filter of LiveCodeBench."""

import pytest

from evalharness.data.time_window import TimeWindow
from evalharness.errors import UserError

STAMPS = (
    "2024-07-31T23:59:59",
    "2024-08-01T00:00:00",
    "2024-08-03T19:30:00",
    "2024-08-31T00:00:00",
    "2024-08-31T07:30:00",
)
RECORDS = [{"task_id": stamp, "date": stamp} for stamp in STAMPS]


def chosen(start: str | None, end: str | None) -> list[str]:
    return [record["date"] for record in TimeWindow.parse(start, end).records_in_window(RECORDS, "date", "these")]


def test_an_unbounded_window_selects_every_record() -> None:
    assert chosen(None, None) == list(STAMPS)
    assert TimeWindow.parse(None, None).records_in_window([{"task_id": "1"}], "date", "these") == [{"task_id": "1"}]


def test_both_days_are_included_the_last_only_at_midnight() -> None:
    assert chosen("2024-08-01", None) == list(STAMPS[1:])
    assert chosen(None, "2024-08-31") == list(STAMPS[:4])
    assert chosen("2024-08-01", "2024-08-31") == list(STAMPS[1:4])
    assert chosen("2024-08-01", "2024-08-01") == [STAMPS[1]]


@pytest.mark.parametrize(
    "text", ["2024-8-1", "2024-13-01", "2024-02-30", "20240801", "2024-08-01T00:00:00", "august", ""]
)
def test_an_invalid_date_is_a_user_error(text: str) -> None:
    with pytest.raises(UserError, match="is not a date; write it as 2024-08-01") as caught:
        TimeWindow.parse(text, None)
    assert "\n" not in str(caught.value)


def test_empty_and_reversed_windows_are_user_errors() -> None:
    with pytest.raises(UserError, match="start=2024-09-02 is after end=2024-09-01"):
        TimeWindow.parse("2024-09-02", "2024-09-01")
    with pytest.raises(UserError, match="no problem of these is in the time window"):
        chosen("2025-01-01", None)


def test_a_window_needs_dates() -> None:
    with pytest.raises(UserError, match="the records of these have no date field date;"):
        TimeWindow.parse("2024-09-02", None).records_in_window([{"task_id": "1"}], "date", "these")
    with pytest.raises(UserError, match="'soon', which is not valid; replace the data file"):
        TimeWindow.parse("2024-09-02", None).records_in_window([{"date": "soon"}], "date", "these")
