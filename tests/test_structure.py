"""The structure that CONTRIBUTING.md describes: layers, no import cycles, small files and folders."""

import ast
import statistics
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "evalharness"
LAYERS = [
    {"util", "errors", "records"},
    {"generation", "data", "metrics"},
    {"diffusion"},
    {"backends", "adapters", "sandbox"},
    {"report"},
    {"pipeline"},
    {"grading_service", "model_server", "arena", "cluster", "bench", "training", "api"},
    {"cli"},
]
"""Folders and root modules from the bottom up. A module imports from its own layer or from one below."""
MAX_LINES, MEDIAN_LINES, MAX_FILES = 400, 110, 16


def modules() -> dict[str, Path]:
    """The package's modules by dotted name, without the agent, which imports nothing of the package."""
    names = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imports(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """The package's modules that a module imports, anywhere in it."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module in known:
            for alias in node.names:
                member = f"{node.module}.{alias.name}"
                imported.add(member if member in known else node.module)
        elif isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names if alias.name in known}
    return imported - {name}


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    known = modules()
    return {name: imports(name, path, known) for name, path in known.items()}


def layer_of(name: str) -> int:
    part = name.split(".")[1]
    return next(number for number, layer in enumerate(LAYERS) if part in layer)


def test_imports_go_down(graph: dict[str, set[str]]) -> None:
    upward = [
        f"{name} imports {imported}"
        for name, targets in graph.items()
        for imported in targets
        if "." in name and "." in imported and layer_of(imported) > layer_of(name)
    ]
    assert upward == []


def test_no_modules_import_each_other_in_a_cycle(graph: dict[str, set[str]]) -> None:
    state: dict[str, int] = defaultdict(int)  # 0 not visited, 1 on the path, 2 done

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert state[name] != 1, " -> ".join((*path[path.index(name) :], name))
        if state[name] == 0:
            state[name] = 1
            for imported in sorted(graph[name]):
                visit(imported, (*path, name))
            state[name] = 2

    for name in sorted(graph):
        visit(name, ())


def test_files_and_folders_are_small() -> None:
    paths = [path for path in modules().values() if path.name != "__init__.py"]
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {path.name: count for path, count in lines.items() if count > MAX_LINES} == {}
    assert statistics.median(lines.values()) < MEDIAN_LINES
    files: dict[Path, int] = defaultdict(int)
    for path in paths:
        files[path.parent] += 1
    assert {str(folder): count for folder, count in files.items() if count > MAX_FILES} == {}
    assert len(list(PACKAGE.glob("*.py"))) <= 4
