"""Fixtures of the transformers backend tests."""

from helpers.tiny_model_fixtures import chat_model, model

__all__ = ["chat_model", "model"]
