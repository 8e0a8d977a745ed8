"""Adapters: one module per benchmark family, with its prompts, extraction of programs, and verdicts.

An adapter is a class that implements `evalharness.records.Task` and takes a `TaskContext`. It is found by the name in
the entry-point group `evalharness.adapters`, which a task card gives as `adapter`. What an adapter of another package
needs is exported here.
"""

from evalharness.adapters.context import TaskContext
from evalharness.adapters.extraction.programs import extract_program
from evalharness.adapters.factory import open_task
from evalharness.adapters.prompts import build_prompt
from evalharness.adapters.verdicts import verdict_of

__all__ = ["TaskContext", "build_prompt", "extract_program", "open_task", "verdict_of"]
