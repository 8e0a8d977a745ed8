"""The size limit of answers and programs that the harness reads."""

MAX_TEXT_BYTES = 1_000_000
"""The default size limit, in bytes of UTF-8."""


def is_too_large(text: str, limit: int = MAX_TEXT_BYTES) -> bool:
    """Returns whether a text has more than `limit` bytes, encoded in UTF-8."""
    return len(text) > limit or (4 * len(text) > limit and len(text.encode(errors="surrogatepass")) > limit)


def too_large_message(limit: int) -> str:
    """Returns "is larger than N MB", the end of a message about a text of more than `limit` bytes."""
    return f"is larger than {limit / 1e6:g} MB"
