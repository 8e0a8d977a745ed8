"""Messages count as people do."""

from evalharness.util.text import counted, error_text, one_line, shortened


def test_one_is_one() -> None:
    assert [counted(number, "sample") for number in (0, 1, 2)] == ["0 samples", "1 sample", "2 samples"]


def test_what_is_long_ends_after_a_word() -> None:
    assert shortened("a  b\nc", 5) == "a b c"
    assert shortened("first second third", 15) == "first second..."
    assert shortened("first second third", 14) == "first..."
    assert shortened("x" * 20, 10) == "x" * 7 + "..."
    assert error_text(ValueError("bad\nvalue.")) == "bad value"
    assert error_text(ValueError()) == "ValueError"
    assert error_text(ValueError("word " * 100)).endswith("word word...")
    assert one_line(" a\n b\t") == "a b"
