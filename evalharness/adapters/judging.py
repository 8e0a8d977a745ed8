"""Names of version 0.1 for adapters of other packages; removed in 0.3. Use `adapters.verdicts`."""

from evalharness.adapters.verdicts import verdict_of

__all__ = ["verdict_of"]
