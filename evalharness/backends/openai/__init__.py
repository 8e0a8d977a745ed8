"""The backend `openai`: completions from any endpoint that implements the OpenAI API."""
