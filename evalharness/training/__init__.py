"""Training of the bundled diffusion code model and of drafters: corpus, objectives, trainers."""
