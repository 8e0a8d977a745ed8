"""Limits on untrusted texts and files that the harness reads: processor time, memory, and sizes."""
