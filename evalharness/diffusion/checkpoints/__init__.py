"""Reads and writes checkpoints: this project's format and those of open model families."""
