"""Inference of a Transformer by autoregressive and block diffusion decoding: network, checkpoints, fused kernels."""
