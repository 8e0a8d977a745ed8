"""Completions from any endpoint that speaks the OpenAI API."""
