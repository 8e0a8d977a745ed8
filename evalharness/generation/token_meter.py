"""Counts the tokens that this process generates, to show progress while a batch is being decoded."""


class TokenMeter:
    """A monotonic counter of generated tokens, for progress display: concurrent updates may lose single tokens."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, tokens: int) -> None:
        """Adds newly generated tokens to the count."""
        self.count += tokens


generated_tokens = TokenMeter()
"""Counts every token that a local backend generates."""
