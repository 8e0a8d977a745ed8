"""How property tests run here: the same examples each time, however slow the machine."""

from hypothesis import settings

steady = settings(derandomize=True, deadline=None, max_examples=200, database=None)
