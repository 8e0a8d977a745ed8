"""The backend `transformers`: any causal language model that transformers loads."""
