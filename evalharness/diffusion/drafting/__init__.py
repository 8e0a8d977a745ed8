"""Speculative decoding on a frozen target: lookup, a block-diffusion drafter, and both together."""
