"""Measures speed alone."""
