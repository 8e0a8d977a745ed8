"""Namespaces, in which nothing of one run reaches another."""
