"""Decides whether what a sample returned is right."""
