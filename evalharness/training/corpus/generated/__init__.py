"""Generates small Python functions with descriptions and example calls as training data."""
