"""Backends: sources of completions. `factory` finds each by its name through entry points."""

from evalharness.backends.factory import BackendConfig, backend_names, find_backend, option_names, usable_backends
from evalharness.backends.options import BackendOptions, parse_options

__all__ = [
    "BackendConfig",
    "BackendOptions",
    "backend_names",
    "find_backend",
    "option_names",
    "parse_options",
    "usable_backends",
]
