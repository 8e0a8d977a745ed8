import io
import sys

from hypothesis import given
from hypothesis import strategies as st

from evalharness.util.visible import CONTROL_CHARACTERS, EscapingStream, escape_control_characters, unwrap_stream


@given(st.text(st.characters(exclude_categories=[])))
def test_no_control_is_left_and_other_text_is_unchanged(text: str) -> None:
    shown = escape_control_characters(text)
    assert not CONTROL_CHARACTERS.search(shown)
    shown.encode()
    assert escape_control_characters(shown) == shown
    if not CONTROL_CHARACTERS.search(text):
        assert shown == text


def test_controls_are_named() -> None:
    assert (
        escape_control_characters("\x1b[31m\u202ea\r\n\tb\ud800\U000e0041é中")
        == "\\x1b[31m\\u202ea\\r\n\tb\\ud800\\U000e0041é中"
    )


def test_a_stream_writes_texts_visibly() -> None:
    file = io.StringIO()
    stream = EscapingStream(file)
    print("a\x1b]0;b\x07", file=stream)  # type: ignore[call-overload]
    stream.flush()
    assert file.getvalue() == "a\\x1b]0;b\\x07\n"
    assert unwrap_stream(stream) is file  # type: ignore[arg-type, comparison-overlap]
    assert unwrap_stream(sys.stdout) is not stream  # type: ignore[comparison-overlap]
