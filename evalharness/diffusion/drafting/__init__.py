"""Speculative decoding with a frozen target: prompt lookup, a block-diffusion drafter, or both together."""
