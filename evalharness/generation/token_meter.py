"""Counts the tokens that this process generates, so that progress can be shown while a batch is being decoded."""


class TokenMeter:
    """A count that only grows. It is for display: threads may lose single tokens."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, tokens: int) -> None:
        """Adds generated tokens."""
        self.count += tokens


generated_tokens = TokenMeter()
"""Every token that a local backend appends to a completion."""
