"""Settings of property tests: the same examples each time, without a deadline."""

from hypothesis import settings

steady = settings(derandomize=True, deadline=None, max_examples=200, database=None)
