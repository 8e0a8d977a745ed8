"""Limits of what the harness reads: processor time and memory of a call, sizes of texts, files and lines."""
