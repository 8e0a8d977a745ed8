"""Words of messages."""


def counted(number: int, noun: str) -> str:
    """`1 problem`, `2 problems`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def one_line(error: BaseException) -> str:
    """An exception's message on one line, at most 300 characters."""
    return (" ".join(str(error).split()) or type(error).__name__)[:300].rstrip(".")
