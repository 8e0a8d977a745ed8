"""Counts the tokens that this process generates, to show progress while a batch is being decoded."""


class TokenMeter:
    """Counts generated tokens, for progress displays. It has no lock, so concurrent updates may be lost."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, token_count: int) -> None:
        """Adds a number of newly generated tokens to the count."""
        self.count += token_count


generated_tokens = TokenMeter()
"""Counts every token that a local backend generates."""
