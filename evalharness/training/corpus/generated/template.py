"""Templates of generated functions: descriptions and bodies with placeholders that are filled at random."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from evalharness.training.corpus.generated.function import Function, Parameter
from evalharness.training.corpus.generated.placeholders import draw_literals_and_parameters
from evalharness.training.corpus.generated.vocabulary import make_request_sentence

SLOT = re.compile(r"\{([a-z_]\w*(?:\.\w+)?)\}")
NAME = re.compile(r"(?<!['\w.])[a-z_]\w*\b(?!\()")
Option = str | int | Mapping[str, str]


@dataclass(frozen=True)
class FunctionTemplate:
    """A template from which many similar functions are generated, by filling placeholders in braces.

    `params` are the function's parameters: (placeholder, possible names, type, sampler of values). `slots` maps each
    other placeholder to its options; the chosen option replaces it in description and code. If the option is a mapping,
    its values replace the placeholders {slot.key}. A description is one of `texts`, or a sentence made from one of
    `wanted` (noun phrases for the result) and one of `given` (noun phrases for the input). Placeholders in
    `operations.VALUE_PLACEHOLDERS` become literals or further parameters.
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

    def make_function(self, random: Random, family: str) -> Function:
        """Returns a random function made from this template; `family` is the name of the template's family."""
        values: dict[str, str] = {}
        params: list[Parameter] = []
        # Parameters must not have names that the bodies use literally.
        used_names = {name for body in self.bodies for name in NAME.findall(SLOT.sub("", body))}
        used_names |= {name for options in self.slots.values() for option in options if isinstance(option, Mapping)
                  for name in NAME.findall(SLOT.sub("", " ".join(option.values())))}  # fmt: skip
        for slot, names, kind, sample in self.params:
            name = random.choice([option for option in names if option not in used_names] or list(names))
            used_names.add(name)
            values[slot] = name
            params.append(Parameter(name, kind, sample))
        for slot, options in self.slots.items():
            option = random.choice([o for o in options if str(o) not in used_names] or list(options))
            if isinstance(option, Mapping):
                values |= {f"{slot}.{key}": value for key, value in option.items()}
            else:
                values[slot] = str(option)
                used_names.add(str(option))
        body, alternative = random.choice(self.bodies), random.choice(self.bodies)
        bodies = [fill_template_slots(body, values), fill_template_slots(alternative, values)]
        text = fill_template_slots(self._make_description(random), values)
        # Slot options may contain extra values, so these are filled afterwards.
        extra_values, extra_params = draw_literals_and_parameters(random, (text, *bodies), used_names)
        text, body, alternative = (fill_template_slots(part, extra_values) for part in (text, *bodies))
        returns = fill_template_slots(self.returns, values)
        name = fill_template_slots(random.choice(self.names), values)
        imports = tuple(line for line in self.imports if line.split()[-1] in body + alternative)
        return Function(
            family, re.sub(r"\W+", "_", name), (*params, *extra_params), returns, text[0].upper() + text[1:], body,
            imports, alternative if alternative != body else "",
        )  # fmt: skip

    def _make_description(self, random: Random) -> str:
        whole = random.choice((*self.texts, *self.wanted))
        if whole in self.wanted:
            given = random.choice(self.given)
            whole = make_request_sentence(random, given, whole)
        if self.notes and random.random() < 0.85:
            whole += " " + random.choice(self.notes)
        return whole


def fill_template_slots(template: str, slot_values: Mapping[str, str]) -> str:
    """Returns a template with its placeholders (names in braces) replaced by their values in `slot_values`.

    Placeholders inside these values are replaced, too. Placeholders without a value are left unchanged.
    """
    for _ in range(3):
        template = SLOT.sub(lambda match: slot_values.get(match[1], match[0]), template)
    return (
        template.replace("{{", "{").replace("}}", "}")
        if not SLOT.search(template.replace("{{", "").replace("}}", ""))
        else template
    )
