"""One Transformer that decodes autoregressively and by block diffusion: network, decoding, checkpoints, training."""

from pathlib import Path

BUNDLED = Path(__file__).resolve().parent / "bundled"
"""The folder of the bundled network: configuration, weights, tokenizer, model and data cards."""
