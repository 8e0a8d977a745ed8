"""Compares two runs of one task."""
