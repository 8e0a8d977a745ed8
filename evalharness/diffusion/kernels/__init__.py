"""A denoising step as fused kernels for Hopper GPUs; needs triton, which is imported only where these are asked for."""
