"""Import path of version 0.1, kept for engines of other packages until 0.3. Use `sandbox.engines.container`."""

from evalharness.sandbox.engines.container import Channel, Container, Engine

__all__ = ["Channel", "Container", "Engine"]
