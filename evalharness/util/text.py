"""Words of messages."""


def counted(number: int, noun: str) -> str:
    """`1 problem`, `2 problems`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def one_line(error: BaseException) -> str:
    """An exception's message on one line, at most 300 characters."""
    return shortened(str(error).strip().rstrip(".") or type(error).__name__, 300)


def shortened(text: str, most: int) -> str:
    """The text on one line; what is longer than so many characters ends after a word, with `...`."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    return (line[: most - 2].rpartition(" ")[0] or line[: most - 3]) + "..."
