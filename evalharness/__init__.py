"""Measures code models twice in the same run: how often they are right and how fast they are."""

__version__ = "0.1.0"
