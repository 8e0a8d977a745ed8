"""Adapters: one module per benchmark family, with its prompts, extraction of programs, and verdicts.

An adapter is a class that implements `evalharness.records.Task` and takes a `TaskContext`. It is found by its name in
the entry-point group `evalharness.adapters`; a task card (the YAML file that describes a task) has this name as
`adapter`. This module exports what an adapter of another package needs.
"""

from evalharness.adapters.context import TaskContext
from evalharness.adapters.extraction.programs import extract_program
from evalharness.adapters.factory import open_task
from evalharness.adapters.prompts import build_prompt
from evalharness.adapters.verdicts import verdict_of

__all__ = ["TaskContext", "build_prompt", "extract_program", "open_task", "verdict_of"]
