"""Detects programs that pass without solving: canaries (tests made false), and recognition of harmless programs."""
