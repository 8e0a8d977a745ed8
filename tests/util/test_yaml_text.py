"""YAML is read as PyYAML's own parser reads it, with plain values only."""

from pathlib import Path

import pytest
import yaml

from evalharness.util.yaml_text import parse_yaml

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path for folder in ("tasks", "sandboxes", "evalharness/training") for path in (ROOT / folder).rglob("*.yaml")
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_project_s_files_have_the_values_of_the_python_parser(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert parse_yaml(text) == yaml.load(text, yaml.SafeLoader)


@pytest.mark.parametrize("text", ["a: [1", "!!python/object/apply:os.getcwd []", "[" * 100_000, "a: b: c", "\0"])
def test_what_is_no_plain_document_is_an_error(text: str) -> None:
    with pytest.raises((yaml.YAMLError, RecursionError)):
        parse_yaml(text)
