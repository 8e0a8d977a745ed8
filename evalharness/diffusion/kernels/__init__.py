"""Fused Triton kernels for a denoising step on Hopper GPUs. Triton is imported only when the kernels are selected."""
