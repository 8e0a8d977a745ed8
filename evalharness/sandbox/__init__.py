"""Where programs run that no one trusts: an engine makes containers, a pool keeps them busy, an agent runs inside."""
