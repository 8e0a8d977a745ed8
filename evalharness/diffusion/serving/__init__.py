"""Continuous batching: a batch whose rows (sequences) join and leave at any pass, each with its decoding method."""
