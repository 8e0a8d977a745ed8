"""What the backends `ar` and `diffusion` share: loading a network of `evalharness.diffusion`, and its rows."""
