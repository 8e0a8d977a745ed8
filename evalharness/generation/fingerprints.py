"""Digests that identify a run's files and model weights in its manifest."""

import hashlib
from typing import Any


def sha256(content: bytes) -> str:
    """Returns the SHA-256 digest of `content` as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def weights_digest(model: Any) -> str:
    """Returns a SHA-256 digest of the name and the first 16 values of each parameter of a PyTorch module.

    It distinguishes checkpoints of the same architecture without reading all weights.
    """
    digest = hashlib.sha256()
    for name, parameter in model.named_parameters():
        digest.update(name.encode())
        digest.update(parameter.detach().flatten()[:16].float().cpu().numpy().tobytes())
    return digest.hexdigest()
