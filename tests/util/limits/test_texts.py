from hypothesis import given
from hypothesis import strategies as st

from evalharness.util.limits.texts import MAX_TEXT_BYTES, is_too_large


@given(st.text(st.characters()), st.integers(0, 40))
def test_the_limit_counts_bytes(text: str, limit: int) -> None:
    assert is_too_large(text, limit) == (len(text.encode(errors="surrogatepass")) > limit)


def test_the_default_is_one_megabyte() -> None:
    assert not is_too_large("é" * (MAX_TEXT_BYTES // 2))
    assert is_too_large("é" * (MAX_TEXT_BYTES // 2) + "a")
