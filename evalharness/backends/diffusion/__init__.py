"""Block diffusion decoding of the bundled network, of open checkpoints and of DiffusionGemma."""
