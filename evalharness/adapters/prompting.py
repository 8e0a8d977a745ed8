"""Import path of version 0.1, kept for adapters of other packages until 0.3. Use `adapters.prompts` and `adapters`."""

from evalharness.adapters.extraction.programs import extract_program as solution
from evalharness.adapters.prompts import build_prompt

__all__ = ["build_prompt", "solution"]
