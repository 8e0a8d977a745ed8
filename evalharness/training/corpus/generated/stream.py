"""All generators together: a stream of distinct functions, each with its example calls."""

from collections.abc import Iterator
from random import Random

from evalharness.training.corpus.generated import pipeline
from evalharness.training.corpus.generated.function import Case, Function, run_cases
from evalharness.training.corpus.generated.problem_families import (
    dicts,
    lists,
    numbers,
    scalars,
    strings,
    structures,
    windows,
)
from evalharness.training.corpus.generated.template import Template

PIPELINES = 0.45
"""The fraction of functions over a sequence (`pipeline`); the others come from the problem families."""


def weighted_templates() -> list[tuple[str, Template]]:
    """Returns each template with the name of its family, repeated as often as its weight says."""
    modules = (dicts, lists, numbers, scalars, strings, structures, windows)
    return [
        (module.__name__.rpartition(".")[2], template)
        for module in modules
        for template in module.TEMPLATES
        for _ in range(template.weight)
    ]


def functions(seed: int) -> Iterator[tuple[Function, tuple[Case, ...]]]:
    """Yields endless functions with different signature, text or body, the same ones for the same seed."""
    random = Random(seed)
    templates = weighted_templates()
    seen: set[int] = set()
    while True:
        try:
            if random.random() < PIPELINES:
                function = pipeline.make(random)
            else:
                family, template = random.choice(templates)
                function = template.make(random, family)
        except LookupError:  # parts that do not fit together
            continue
        key = hash((function.signature(), function.text, function.body))
        if key in seen:
            continue
        cases = run_cases(function, random)
        if cases:
            seen.add(key)
            yield function, cases
