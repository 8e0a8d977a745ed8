"""Families of functions written as data: texts and bodies with slots, filled in at random."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from evalharness.training.corpus.filling import extras
from evalharness.training.corpus.function import Function, Param
from evalharness.training.corpus.words import opening

SLOT = re.compile(r"\{([a-z_]\w*(?:\.\w+)?)\}")
NAME = re.compile(r"(?<!['\w.])[a-z_]\w*\b(?!\()")
Option = str | int | Mapping[str, str]


@dataclass(frozen=True)
class Template:
    """One family. `params` are (slot, names, type, sampler); each slot is one option for text and code alike.

    An option that is a mapping gives {slot.key}. `wanted` (phrases after `Return`) are put into an opening with one of
    `given`; `texts` are whole. Names of `pieces.EXTRAS` in braces become literals or parameters.
    """

    names: tuple[str, ...]
    params: tuple[tuple[str, tuple[str, ...], str, Callable[[Random], Any]], ...]
    returns: str
    bodies: tuple[str, ...]
    given: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    slots: Mapping[str, Sequence[Option]] = field(default_factory=dict)
    imports: tuple[str, ...] = ()
    weight: int = 1

    def make(self, random: Random, family: str) -> Function:
        """A function of the family."""
        values: dict[str, str] = {}
        params: list[Param] = []
        # Names that bodies use as they stand are not free for parameters.
        taken = {name for body in self.bodies for name in NAME.findall(SLOT.sub("", body))}
        taken |= {name for options in self.slots.values() for option in options if isinstance(option, Mapping)
                  for name in NAME.findall(SLOT.sub("", " ".join(option.values())))}  # fmt: skip
        for slot, names, kind, sample in self.params:
            name = random.choice([option for option in names if option not in taken] or list(names))
            taken.add(name)
            values[slot] = name
            params.append(Param(name, kind, sample))
        for slot, options in self.slots.items():
            option = random.choice([o for o in options if str(o) not in taken] or list(options))
            if isinstance(option, Mapping):
                values |= {f"{slot}.{key}": value for key, value in option.items()}
            else:
                values[slot] = str(option)
                taken.add(str(option))
        body, twin = random.choice(self.bodies), random.choice(self.bodies)
        bodies = [fill(body, values), fill(twin, values)]
        text = fill(self._text(random), values)
        # Options of slots may name extras themselves, so these come after them.
        more, further = extras(random, (text, *bodies), taken)
        text, body, twin = (fill(part, more) for part in (text, *bodies))
        returns = fill(self.returns, values)
        name = fill(random.choice(self.names), values)
        return Function(
            family, re.sub(r"\W+", "_", name), (*params, *further), returns, text[0].upper() + text[1:], body,
            tuple(line for line in self.imports if line.split()[-1] in body + twin), twin if twin != body else "",
        )  # fmt: skip

    def _text(self, random: Random) -> str:
        whole = random.choice((*self.texts, *self.wanted))
        if whole in self.wanted:
            given = random.choice(self.given)
            whole = opening(random, given, whole)
        if self.notes and random.random() < 0.85:
            whole += " " + random.choice(self.notes)
        return whole


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with its slots replaced, also those that the values bring along; unknown ones stay."""
    for _ in range(3):
        template = SLOT.sub(lambda found: values.get(found[1], found[0]), template)
    return (
        template.replace("{{", "{").replace("}}", "}")
        if not SLOT.search(template.replace("{{", "").replace("}}", ""))
        else template
    )
