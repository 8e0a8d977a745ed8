"""Fused Triton kernels for decoding on Hopper GPUs. Triton is imported only when the kernels are selected."""
