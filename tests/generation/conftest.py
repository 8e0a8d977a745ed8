"""Fixtures of the generation tests."""

from helpers.tiny_model_fixtures import model

__all__ = ["model"]
