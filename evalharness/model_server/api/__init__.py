"""The model server's HTTP API: OpenAI's formats and, for `fim`, `edit` and `apply`, Inception's (Mercury)."""
