"""Generates functions over a sequence by combining a source, a filter condition, a transformation, an aggregation.

All combinations that fit together make a function, so there are hundreds of thousands.
"""

import re
from dataclasses import dataclass
from random import Random

from evalharness.training.corpus.generated.aggregations import AGGREGATIONS, ELEMENT_TYPES, Aggregation
from evalharness.training.corpus.generated.function import Function, Parameter
from evalharness.training.corpus.generated.operations import CONDITIONS, TRANSFORMATIONS, Condition, Transformation
from evalharness.training.corpus.generated.placeholders import (
    draw_literals_and_parameters,
    fill_placeholders,
    negate_condition,
    predicate_of_clause,
)
from evalharness.training.corpus.generated.sources import SOURCES, SequenceSource
from evalharness.training.corpus.generated.vocabulary import (
    CHARACTER_NAMES,
    ELEMENT_NAMES,
    WORD_NAMES,
    make_request_sentence,
)

PATTERNS = {
    "item": ("i, x", "i, value", "index, item", "i, n", "idx, x"),
    "entry": ("key, value", "k, v", "name, count"),
    "pair": ("a, b", "x, y", "first, second", "p, q"),
}


ALL = (
    "True if all {n} {c} {s}, and False otherwise",
    "whether all {n} {c} {s}",
    "True if every one of the {n} {c} {s1}, otherwise False",
    "True only if all of the {n} {c} {s}",
)
SOME = (
    "True if at least one of the {n} {c} {s1}, and False otherwise",
    "whether any of the {n} {c} {s}",
    "True if any of the {n} {c} {s}, otherwise False",
)


@dataclass(frozen=True)
class CodeFragments:
    """The code fragments of one generated function over a sequence, with all names filled in."""

    loops: tuple[str, ...]
    """The heads of the `for` loops over the sequence, outermost first."""
    test: str
    """The filter condition on elements; empty if there is none."""
    element: str
    """The expression of the transformed element."""
    variable: str
    """The name of the loop variable."""
    sequence: str
    """The expression of the sequence if its elements are neither filtered nor transformed; else empty."""

    @property
    def generator_expression(self) -> str:
        return f"{self.element} {self.for_and_if_clauses}"

    @property
    def for_clauses(self) -> str:
        return " ".join(self.loops)

    @property
    def for_and_if_clauses(self) -> str:
        return self.for_clauses + (f" if {self.test}" if self.test else "")


def make_function(random: Random) -> Function:
    """Returns a generated function that combines a random sequence, filter, transformation and aggregation.

    Raises LookupError if the drawn parts do not fit together.
    """
    source = random.choice(SOURCES)
    condition = (
        random.choice([c for c in CONDITIONS if _accepts_element_type(c.takes, source.element)])
        if random.random() < 0.75
        else None
    )
    transformation: Transformation | None = None
    if source.element in ("item", "entry", "pair") or random.random() < 0.5:
        transformation = random.choice([t for t in TRANSFORMATIONS if _accepts_element_type(t.takes, source.element)])
    kind = _aggregated_element_type(source, transformation)
    aggregation = random.choice(
        [a for a in AGGREGATIONS if _aggregation_makes_sense(a, kind, condition, transformation)]
    )
    if aggregation.states_condition:
        transformation = None
    return _assemble_function(random, source, condition, transformation, aggregation)


def _accepts_element_type(accepted_type: str, element_type: str) -> bool:
    """Returns whether an operation on elements of type `accepted_type` accepts elements of type `element_type`.

    The type "num" accepts "int" and "float".
    """
    return accepted_type == element_type or (accepted_type == "num" and element_type in ("int", "float"))


def _aggregated_element_type(source: SequenceSource, transformation: Transformation | None) -> str:
    """Returns the type of the elements that a generated function aggregates, after the transformation, if any."""
    if transformation is None or transformation.gives == "same":
        return source.element
    return transformation.gives


def _aggregation_makes_sense(
    aggregation: Aggregation, element_type: str, condition: Condition | None, transformation: Transformation | None
) -> bool:
    """Returns whether an aggregation makes sense for elements of a type, given condition and transformation."""
    if aggregation.states_condition:
        return condition is not None
    if element_type not in aggregation.takes or (aggregation.needs_condition and condition is None):
        return False
    return condition is not None or transformation is not None or "list" not in aggregation.names


def _assemble_function(
    random: Random, source: SequenceSource, condition: Condition | None, transformation: Transformation | None,
    aggregation: Aggregation,
) -> Function:  # fmt: skip
    names = random.sample(source.names, len(source.params))
    used_names = set(names)
    pattern = random.choice(
        PATTERNS.get(source.element) or {"char": CHARACTER_NAMES, "word": WORD_NAMES}.get(source.element, ELEMENT_NAMES)
    )
    while used_names & set(pattern.split(", ")):
        pattern = random.choice(PATTERNS.get(source.element) or ("item", "element", "e"))
    x, _, y = pattern.partition(", ")
    used_names |= {x, y}
    clause = random.choice(condition.clauses) if condition else ""
    test = random.choice(condition.code) if condition else ""
    element = random.choice(transformation.code) if transformation else "{x}" if not y else "{y}"
    element_phrase = random.choice(transformation.phrases) if transformation else "{np}"
    phrase = random.choice(aggregation.phrases)
    expression = random.choice(aggregation.code) if aggregation.code else ""
    templates = (clause, test, element_phrase, element, phrase, expression)
    values, extra_params = draw_literals_and_parameters(random, templates, used_names)
    params = [Parameter(name, type_, sample) for name, (type_, sample) in zip(names, source.params, strict=True)]
    values |= {"x": x, "y": y, "p": names[0], "q": names[-1], "pattern": pattern}
    result_phrase, noun = _describe_result_and_elements(
        random, source, condition, clause, element_phrase, aggregation, phrase, values
    )
    tests = [fill_placeholders(template, values) for template in (source.test, test) if template]
    unchanged = not condition and not transformation and not source.test and not y and len(source.loops) == 1
    parts = CodeFragments(
        loops=tuple(fill_placeholders(loop, values) for loop in source.loops),
        test=" and ".join(f"({test})" if " or " in test and len(tests) > 1 else test for test in tests),
        element=fill_placeholders(element, values),
        variable=x,
        sequence=fill_placeholders(source.sequence, values) if unchanged else "",
    )
    bodies = _make_equivalent_bodies(random, parts, aggregation, expression, values, used_names)
    body = random.choice(bodies)
    alternative = random.choice(bodies)
    text = make_request_sentence(random, fill_placeholders(random.choice(source.given), values), result_phrase)
    if aggregation.notes and random.random() < 0.8:
        text += " " + random.choice(aggregation.notes)
    elif aggregation.notes and aggregation.names[0] not in ("product",):
        text += " " + aggregation.notes[0]
    imports = ["from collections import Counter"] * ("Counter(" in body + alternative) + ["import math"] * (
        "math." in body + alternative
    )
    return Function(
        family="pipeline-" + source.name,
        name=_make_function_name(random, aggregation, transformation, condition, noun),
        params=(*params, *extra_params),
        returns=_return_type_annotation(source, transformation, aggregation),
        text=text,
        body=body,
        imports=tuple(imports),
        alternative=alternative if alternative != body else "",
    )


def _describe_result_and_elements(
    random: Random, source: SequenceSource, condition: Condition | None, condition_clause: str, element_phrase: str,
    aggregation: Aggregation, aggregation_phrase: str, placeholder_values: dict[str, str],
) -> tuple[str, str]:  # fmt: skip
    """Returns a phrase for a generated function's result, and a noun for the elements that the function aggregates.

    Examples are "the sum of the even numbers in the list" and "numbers".
    """
    noun = random.choice(source.nouns)
    context = fill_placeholders(random.choice(source.contexts), placeholder_values)
    adjective = condition.adjective if condition and condition.adjective and random.random() < 0.6 else ""
    relative_clause = "" if adjective else fill_placeholders(condition_clause, placeholder_values)
    elements = " ".join(word for word in (adjective, noun, context, relative_clause) if word)
    if "all" in aggregation.takes or "any" in aggregation.takes:
        statement = predicate_of_clause(fill_placeholders(condition_clause, placeholder_values))
        if statement is None:
            raise LookupError(
                f"the filter condition {condition_clause!r} has no form as a predicate, such as 'are even'; draw "
                "another condition"
            )
        result_phrase = random.choice(ALL if "all" in aggregation.takes else SOME)
        singular = "is" + statement.removeprefix("are") if statement.startswith("are") else statement
        return fill_placeholders(result_phrase, {"n": noun, "c": context, "s": statement, "s1": singular}), noun
    noun_phrase = fill_placeholders(
        element_phrase, {**placeholder_values, "np": f"the {elements}", "np_bare": elements}
    )
    names = {"np": noun_phrase, "np_bare": elements, "np_all": noun_phrase.removeprefix("the ")}
    return fill_placeholders(aggregation_phrase, {**placeholder_values, **names}), noun


def _make_equivalent_bodies(
    random: Random,
    code_fragments: CodeFragments,
    aggregation: Aggregation,
    aggregation_code: str,
    placeholder_values: dict[str, str],
    used_names: set[str],
) -> list[str]:
    """Returns bodies of a generated function in different styles (one expression, a loop) with equal results.

    New variables in them do not have one of the `used_names`.
    """
    accumulator = random.choice([name for name in aggregation.accumulators if name not in used_names] or ["outcome"])
    filled = {
        **placeholder_values, "m": code_fragments.element, "acc": accumulator,
        "gen": code_fragments.generator_expression, "test": code_fragments.test, "over": code_fragments.for_clauses,
        "bare": code_fragments.for_and_if_clauses,
    }  # fmt: skip
    bodies: list[str] = []
    if "any" in aggregation.takes or "all" in aggregation.takes:
        wants_all = "all" in aggregation.takes
        test = negate_condition(code_fragments.test) if wants_all else code_fragments.test
        loop = _nested_loop_code(code_fragments.loops, test, f"return {not wants_all}")
        return [f"return {fill_placeholders(aggregation_code, filled)}", f"{loop}\nreturn {wants_all}"]
    if aggregation.gives == "first":
        return [
            f"return {fill_placeholders(aggregation_code, filled)}",
            _nested_loop_code(code_fragments.loops, code_fragments.test, f"return {code_fragments.element}")
            + "\nreturn None",
        ]
    if code_fragments.sequence and aggregation.direct:
        bodies += [
            f"return {fill_placeholders(random.choice(aggregation.direct), {**filled, 'seq': code_fragments.sequence})}"
        ] * 2
    elif aggregation_code and aggregation.gives != "last":
        expression = fill_placeholders(aggregation_code, filled)
        if f"max(({code_fragments.generator_expression}), default" not in expression or random.random() < 0.3:
            bodies += [f"return {expression}"]
        if len(expression) > 30 and random.random() < 0.4:
            bodies += [f"{accumulator} = {expression}\nreturn {accumulator}"]
    if aggregation.start:
        needs_parentheses = " if " in code_fragments.element and re.search(
            r"(?:if|or) \{m|\{m\} [+>]|\[\{m", aggregation.update
        )
        element = f"({code_fragments.element})" if needs_parentheses else code_fragments.element
        loop = _nested_loop_code(
            code_fragments.loops, code_fragments.test, fill_placeholders(aggregation.update, {**filled, "m": element})
        )
        start, end = fill_placeholders(aggregation.start, filled), fill_placeholders(aggregation.end, filled)
        bodies += [f"{start}\n{loop}\nreturn {end}"] * 2
    simple_loop = len(code_fragments.loops) == 1 and not placeholder_values["y"]
    if code_fragments.test and aggregation.direct and not aggregation.states_condition and simple_loop:
        kept = next(name for name in ("kept", "chosen", "selected", "filtered") if name not in used_names)
        if code_fragments.element == code_fragments.variable:
            last = fill_placeholders(random.choice(aggregation.direct), {**filled, "seq": kept})
            steps = f"{kept} = [{code_fragments.variable} {code_fragments.for_and_if_clauses}]\nreturn {last}"
            bodies += [steps.replace(f"list({kept})", kept)]
        else:
            changed = next(name for name in ("changed", "results", "mapped") if name not in used_names)
            last = fill_placeholders(random.choice(aggregation.direct), {**filled, "seq": changed})
            bodies += [
                f"{changed} = [{code_fragments.generator_expression}]\nreturn {last}".replace(
                    f"list({changed})", changed
                )
            ]
    if not bodies:
        raise LookupError(
            f"the aggregation {aggregation.names[0]!r} has no code for these elements; draw another aggregation"
        )
    return bodies


def _nested_loop_code(loop_heads: tuple[str, ...], condition: str, inner_code: str) -> str:
    """Returns Python code: nested `for` loops, an `if` with the condition unless it is empty, and the inner code."""
    lines, depth = [], 0
    for loop in loop_heads:
        lines.append("    " * depth + loop + ":")
        depth += 1
    if condition:
        lines.append("    " * depth + f"if {condition}:")
        depth += 1
    lines += ["    " * depth + line for line in inner_code.split("\n")]
    return "\n".join(lines)


def _make_function_name(
    random: Random,
    aggregation: Aggregation,
    transformation: Transformation | None,
    condition: Condition | None,
    element_noun: str,
) -> str:
    words = [random.choice(aggregation.names)]
    if transformation:
        words.append(random.choice(transformation.names))
    if condition:
        words.append(random.choice(condition.names))
    if random.random() < 0.5 or len(words) == 1:
        words.append(element_noun.split()[-1])
    if len(words) > 3 and random.random() < 0.6:
        del words[random.randrange(1, len(words) - 1)]
    return "_".join(dict.fromkeys(words))


def _return_type_annotation(
    source: SequenceSource, transformation: Transformation | None, aggregation: Aggregation
) -> str:
    kind = _aggregated_element_type(source, transformation)
    base = ELEMENT_TYPES.get(kind, "int")
    if aggregation.gives == "same":
        return base
    if aggregation.gives in ("List", "Dict"):
        return f"List[{base}]" if aggregation.gives == "List" else f"Dict[{base}, int]"
    return f"Optional[{base}]" if aggregation.gives in ("first", "last") else aggregation.gives
