"""Carries out a run (one task, one backend, one configuration): validation, generation, grading, summary."""
