"""Resuming a run: checks of its directory and settings, and its stretches (the part that each process wrote)."""
