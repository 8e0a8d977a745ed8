"""The backend `diffusion`: block diffusion decoding of the harness's networks and of DiffusionGemma."""
