"""Generates an endless stream of distinct functions for training, each with example calls."""

from collections.abc import Iterator
from random import Random

from evalharness.training.corpus.generated import pipeline
from evalharness.training.corpus.generated.function import ExampleCall, Function, make_example_calls
from evalharness.training.corpus.generated.problem_families import (
    dicts,
    lists,
    numbers,
    scalars,
    strings,
    structures,
    windows,
)
from evalharness.training.corpus.generated.template import FunctionTemplate

PIPELINES = 0.45
"""The fraction of functions over a sequence (`pipeline`); the others come from the template families."""


def list_templates_repeated_by_weight() -> list[tuple[str, FunctionTemplate]]:
    """Returns (family name, template) pairs of all function templates, each repeated as often as its weight says."""
    modules = (dicts, lists, numbers, scalars, strings, structures, windows)
    return [
        (module.__name__.rpartition(".")[2], template)
        for module in modules
        for template in module.TEMPLATES
        for _ in range(template.weight)
    ]


def generate_functions(seed: int) -> Iterator[tuple[Function, tuple[ExampleCall, ...]]]:
    """Yields distinct generated functions with example calls, endlessly; the same ones for the same seed."""
    random = Random(seed)
    templates = list_templates_repeated_by_weight()
    seen: set[int] = set()
    while True:
        try:
            if random.random() < PIPELINES:
                function = pipeline.make_function(random)
            else:
                family, template = random.choice(templates)
                function = template.make_function(random, family)
        except LookupError:  # parts that do not fit together
            continue
        key = hash((function.signature(), function.text, function.body))
        if key in seen:
            continue
        cases = make_example_calls(function, random)
        if cases:
            seen.add(key)
            yield function, cases
