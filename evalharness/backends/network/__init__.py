"""What the backends `ar` and `diffusion` share: loading a network, and the rows (sequences) of its batches."""
