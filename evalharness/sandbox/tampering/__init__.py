"""Finds programs that pass without solving: canaries, negated tests, suspicion."""
