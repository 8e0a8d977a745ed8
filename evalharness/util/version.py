"""The version of the package, in one place for code, wheel and manifest."""

__version__ = "0.2.0"
