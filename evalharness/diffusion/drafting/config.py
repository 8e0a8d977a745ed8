"""The configuration of a drafter, stored as `config.json`: its shape, and the target it was trained for."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalharness.diffusion.config import ModelConfig
from evalharness.errors import UserError

MODEL_TYPE = "evalharness-drafter"


@dataclass(frozen=True)
class DrafterConfig:
    """The configuration of a drafter; `network` has the sizes of its Transformer layers and its draft vocabulary."""

    network: ModelConfig
    taps: tuple[int, ...]
    """Layers of the target (from 0) whose output hidden states the drafter receives as its context."""
    block: int
    """Tokens that are drafted in one forward pass."""
    rank: int
    """Rank of the Markov head, a low-rank matrix of logits of each token given the previous token."""
    target: str = ""
    """The target's name."""
    target_sha256: str = ""
    """Digest of the target's configuration and of samples of its weights, by which the drafter is found."""
    tap_norms: bool = True
    """Whether the hidden states of each layer in `taps` are normalized before they are concatenated."""
    carry: bool = False
    """Whether the context feature (see `Drafter.context_features`) of the position before the block, multiplied by a
    matrix, is added to the block's inputs.
    """

    def to_json(self) -> dict[str, Any]:
        """Returns the drafter's configuration as the JSON object that `config.json` contains."""
        return {"model_type": MODEL_TYPE} | vars(self) | {"network": self.network.to_json(), "taps": list(self.taps)}


def read_drafter_config(folder: Path) -> DrafterConfig:
    """Returns the drafter configuration in a checkpoint folder. Raises UserError if the folder has none."""
    path = folder / "config.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("model_type", None) != MODEL_TYPE:
            raise UserError(
                f"{path} is not the configuration of a drafter; give --option drafter= a drafter folder that "
                "`evalharness train` wrote"
            )
        network = ModelConfig.from_json(values.pop("network"), path)
        return DrafterConfig(network=network, taps=tuple(values.pop("taps")), **values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} cannot be read: {error}; give --option drafter= a drafter folder that `evalharness train` wrote"
        ) from None


def write_drafter_config(config: DrafterConfig, folder: Path) -> None:
    """Writes a drafter's configuration to `folder` as `config.json`."""
    (folder / "config.json").write_text(json.dumps(config.to_json(), indent=2) + "\n", encoding="utf-8")
