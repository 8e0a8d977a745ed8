"""Models that the tests of several backend modules share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny base model."""
    from helpers.tiny_model import build_model

    return build_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny model with a chat template."""
    from helpers.tiny_model import build_model

    return build_model(tmp_path_factory.mktemp("chat_model"), chat=True)
