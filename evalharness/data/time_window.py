"""Windows of time: the problems that were published between two dates, against contamination."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from evalharness.data.files import Record
from evalharness.errors import UserError

DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class Window:
    """From the midnight that begins the day `start` to the midnight that begins the day `end`, both included.

    So what is stamped later on the last day is out. Source: LiveCodeBench/LiveCodeBench,
    lcb_runner/benchmarks/code_generation.py `load_code_generation_dataset`.
    """

    start: datetime | None = None
    end: datetime | None = None

    @classmethod
    def of(cls, start: str | None, end: str | None) -> "Window":
        """The window between two days such as 2024-08-01. Raises UserError for what is none."""
        window = cls(_day("start", start), _day("end", end))
        if window.start and window.end and window.start > window.end:
            raise UserError(f"--option start={start} is after end={end}; exchange them")
        return window

    def choose(self, records: Sequence[Record], field: str, whose: str) -> list[Record]:
        """The records whose `field` lies in the window. Raises UserError where they have no dates, or none is left."""
        if self.start is None and self.end is None:
            return list(records)
        if not all(field in record for record in records):
            raise UserError(
                f"the records of {whose} have no {field}; leave start= and end= out, or use another version"
            )
        chosen = [record for record in records if self._holds(record[field], whose)]
        if not chosen:
            raise UserError(f"no problem of {whose} lies in the window; change start= or end=")
        return chosen

    def _holds(self, stamp: object, whose: str) -> bool:
        try:
            date = datetime.fromisoformat(str(stamp))
        except ValueError:
            raise UserError(f"{stamp!r} in the records of {whose} is not a date; replace the data") from None
        return (self.start is None or self.start <= date) and (self.end is None or date <= self.end)


def _day(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        if not DATE.fullmatch(text):
            raise ValueError(text)
        return datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"--option {name}={text} is not a date such as 2024-08-01") from None
