"""Runs untrusted programs: an engine starts containers, a pool assigns jobs to them, an agent inside judges."""
