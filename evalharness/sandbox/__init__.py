"""Runs untrusted programs: an engine makes containers, a pool gives them jobs, an agent inside them judges."""
