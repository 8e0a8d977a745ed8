"""The HTTP API in the formats of OpenAI and, for `fim`, `edit` and `apply`, of Inception."""
