"""Families of generated functions, one file per subject."""
