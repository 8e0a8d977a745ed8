"""Resuming a run: what its directory holds, which settings may differ, and a record of each stretch."""
