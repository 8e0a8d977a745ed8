"""Fixtures of the command line's tests: packages with plug-ins."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalharness.data import cards
from evalharness.util import plugins


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the search path of this process; what is installed there is found as a plug-in."""
    folder = tmp_path / "site"
    folder.mkdir()
    modules = set(sys.modules)
    monkeypatch.syspath_prepend(str(folder))
    cards.load_cards.cache_clear()
    plugins.report_disabled_plugin.cache_clear()
    yield folder
    for name in set(sys.modules) - modules:
        if str(folder) in str(getattr(sys.modules[name], "__file__", None)):
            del sys.modules[name]
    cards.load_cards.cache_clear()
    plugins.report_disabled_plugin.cache_clear()
