"""Fixtures of the tiny language model; a `conftest.py` imports those that its folder uses."""

from pathlib import Path

import pytest

from helpers.tiny_model import build_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny base model."""
    return build_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny model with a chat template."""
    return build_model(tmp_path_factory.mktemp("chat_model"), chat=True)
