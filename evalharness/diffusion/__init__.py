"""One Transformer that decodes autoregressively and by block diffusion: network, decoding, checkpoints, training."""
