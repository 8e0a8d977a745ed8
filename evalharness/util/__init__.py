"""Helpers that all packages use: files, JSON lines, texts of messages, plug-ins, optional dependencies."""
