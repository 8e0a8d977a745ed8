"""Generates small functions with descriptions and example calls."""
