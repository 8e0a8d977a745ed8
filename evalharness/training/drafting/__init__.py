"""Trains a drafter for speculative decoding: prompts, the target's answers and features, and the training."""
