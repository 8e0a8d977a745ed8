"""Messages count as people do."""

from evalharness.wording import counted


def test_one_is_one() -> None:
    assert [counted(number, "sample") for number in (0, 1, 2)] == ["0 samples", "1 sample", "2 samples"]
