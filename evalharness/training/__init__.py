"""Training of diffusion code models: corpus, objectives, trainer."""
