"""Measures code models twice in the same run: how often they are right and how fast they are.

The functions below are the public API; `evalharness.api` describes them. They are loaded at their first use, so that
`import evalharness` is fast.
"""

from typing import TYPE_CHECKING, Any

from evalharness.util.version import __version__

if TYPE_CHECKING:
    from evalharness.api import compare, frontier, grade, leaderboard, run, run_all
    from evalharness.data.runs import Run, Sample, load_run
    from evalharness.errors import InfrastructureError, UserError
    from evalharness.pipeline.config import RunConfig

_PLACES = {
    "evalharness.api": ("compare", "frontier", "grade", "leaderboard", "run", "run_all"),
    "evalharness.data.runs": ("Run", "Sample", "load_run"),
    "evalharness.errors": ("InfrastructureError", "UserError"),
    "evalharness.pipeline.config": ("RunConfig",),
}
"""The public names that each module defines."""

__all__ = [
    "InfrastructureError",
    "Run",
    "RunConfig",
    "Sample",
    "UserError",
    "__version__",
    "compare",
    "frontier",
    "grade",
    "leaderboard",
    "load_run",
    "run",
    "run_all",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'evalharness' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
