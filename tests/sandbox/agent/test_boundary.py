"""The folders of the agent are its security boundary: the sample's code knows nothing of the judge's."""

import ast
from pathlib import Path

import pytest

from evalharness.sandbox.engines.images import AGENT_FOLDER

ALLOWED = {"shared": {"shared"}, "sample": {"sample", "shared"}, "judge": {"judge", "sample", "shared"}}
"""By folder, the folders that its modules may import from."""


def imported_folders(path: Path) -> set[str]:
    """The folders of the agent whose modules a module imports."""
    folders = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            parts = path.relative_to(AGENT_FOLDER).parent.parts
            base = parts[: len(parts) - node.level + 1]
            folders.add((*base, *(node.module or "").split("."))[0])
    return folders - {""}


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_cross_the_boundary_in_one_direction(folder: str) -> None:
    modules = list((AGENT_FOLDER / folder).rglob("*.py"))
    assert modules
    for path in modules:
        assert imported_folders(path) <= ALLOWED[folder], path.name


def test_the_agent_imports_nothing_of_the_host() -> None:
    for path in AGENT_FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in names:
                assert not name.startswith("evalharness"), path.name
