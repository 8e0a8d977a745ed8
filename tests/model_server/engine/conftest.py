"""The tiny language model."""

from helpers.tiny_model_fixtures import chat_model, model

__all__ = ["chat_model", "model"]
