"""All families together: a stream of distinct functions, each with the cases that running it gave."""

from collections.abc import Iterator
from random import Random

from evalharness.training.corpus import pipeline
from evalharness.training.corpus.families import dicts, lists, numbers, scalars, strings, structures, windows
from evalharness.training.corpus.function import Case, Function, checked
from evalharness.training.corpus.template import Template

PIPELINES = 0.45
"""The share of functions that run over a sequence; the others are of the families."""


def families() -> list[tuple[str, Template]]:
    """Each template with its family's name, as often as its weight says."""
    modules = (dicts, lists, numbers, scalars, strings, structures, windows)
    return [
        (module.__name__.rpartition(".")[2], template)
        for module in modules
        for template in module.TEMPLATES
        for _ in range(template.weight)
    ]


def functions(seed: int) -> Iterator[tuple[Function, tuple[Case, ...]]]:
    """Endlessly many functions, no two with the same text, signature and body; the same for the same seed."""
    random = Random(seed)
    every = families()
    seen: set[int] = set()
    while True:
        try:
            if random.random() < PIPELINES:
                function = pipeline.make(random)
            else:
                family, template = random.choice(every)
                function = template.make(random, family)
        except LookupError:  # pieces that do not go together
            continue
        key = hash((function.signature(), function.text, function.body))
        if key in seen:
            continue
        cases = checked(function, random)
        if cases:
            seen.add(key)
            yield function, cases
