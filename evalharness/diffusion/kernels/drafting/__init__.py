"""Speculative decoding on fused kernels: drafting, verification and acceptance on the device."""
