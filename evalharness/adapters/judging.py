"""Import path of version 0.1, kept for adapters of other packages until 0.3. Use `adapters.verdicts`."""

from evalharness.adapters.verdicts import verdict_of

__all__ = ["verdict_of"]
