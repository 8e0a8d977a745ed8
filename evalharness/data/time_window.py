"""Selects problems by date, to exclude those that a model may have seen in its training data."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from evalharness.data.files import Record
from evalharness.errors import UserError

DATE_PATTERN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class TimeWindow:
    """A range of publication dates of problems, from 0:00 of the day `start` to 0:00 of the day `end`.

    Both limits are included; None means no limit. Later times on the day `end` are outside, as in the official
    LiveCodeBench/LiveCodeBench, lcb_runner/benchmarks/code_generation.py `load_code_generation_dataset`.
    """

    start: datetime | None = None
    end: datetime | None = None

    @classmethod
    def parse(cls, start: str | None, end: str | None) -> "TimeWindow":
        """Returns the time window between two days, written as 2024-08-01; None means no limit.

        Raises UserError if a text is not such a date, or if `end` is before `start`.
        """
        window = cls(_parse_day("start", start), _parse_day("end", end))
        if window.start and window.end and window.start > window.end:
            raise UserError(f"--option start={start} is after end={end}; swap the two dates")
        return window

    def records_in_window(self, records: Sequence[Record], date_field: str, data_name: str) -> list[Record]:
        """Returns the data records whose date, in the field `date_field`, is in the time window.

        `data_name` names the data in error messages. Raises UserError if a record has no valid date, or if no record is
        in the window.
        """
        if self.start is None and self.end is None:
            return list(records)
        if not all(date_field in record for record in records):
            raise UserError(
                f"the records of {data_name} have no date field {date_field}; leave out --option start= and end=, or "
                "use another --option version="
            )
        selected = [record for record in records if self._is_in_window(record[date_field], data_name)]
        if not selected:
            raise UserError(f"no problem of {data_name} is in the time window; change --option start= or end=")
        return selected

    def _is_in_window(self, timestamp: object, data_name: str) -> bool:
        try:
            date = datetime.fromisoformat(str(timestamp))
        except ValueError:
            raise UserError(
                f"a record of {data_name} has the date {timestamp!r}, which is not valid; replace the data file"
            ) from None
        return (self.start is None or self.start <= date) and (self.end is None or date <= self.end)


def _parse_day(option_name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        if not DATE_PATTERN.fullmatch(text):
            raise ValueError(text)
        return datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"--option {option_name}={text} is not a date; write it as 2024-08-01") from None
