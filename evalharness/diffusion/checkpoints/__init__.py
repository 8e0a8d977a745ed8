"""Reads and writes network checkpoints: this project's format and those of open model families."""
