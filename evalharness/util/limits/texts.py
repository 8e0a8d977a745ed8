"""The size limit of answers and programs that the harness reads."""

MAX_TEXT_BYTES = 1_000_000
"""The default size limit, in bytes of UTF-8."""


def is_too_large(text: str, max_bytes: int = MAX_TEXT_BYTES) -> bool:
    """Returns whether a text has more than `max_bytes` bytes, encoded in UTF-8."""
    return len(text) > max_bytes or (4 * len(text) > max_bytes and len(text.encode(errors="surrogatepass")) > max_bytes)


def too_large_message(max_bytes: int) -> str:
    """Returns "is larger than N MB", the end of a message about a text of more than `max_bytes` bytes."""
    return f"is larger than {max_bytes / 1e6:g} MB"
