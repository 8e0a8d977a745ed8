"""Any causal language model that transformers loads."""
