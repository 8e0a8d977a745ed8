"""Trains a drafter for a frozen target: prompts, the target's answers, its features, and the training itself."""
