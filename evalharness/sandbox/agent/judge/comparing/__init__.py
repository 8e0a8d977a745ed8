"""Compares the outputs of samples with the expected ones."""
