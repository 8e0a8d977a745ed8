"""The backend `diffusion`: block diffusion decoding of networks of `evalharness.diffusion` and of DiffusionGemma."""
