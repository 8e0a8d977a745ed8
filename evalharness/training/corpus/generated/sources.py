"""Sources of elements, building blocks of generated functions: lists, strings, digits, ranges, dictionaries."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from evalharness.training.corpus.generated import vocabulary as vocab


@dataclass(frozen=True)
class SequenceSource:
    """A kind of sequence over which generated functions iterate, such as a list of words: parameters, wordings, loops.

    `loops` are the heads of nested `for` loops, in which {pattern} stands for the loop variable, {p} for the function's
    first parameter and {q} for its last one.
    """

    name: str
    element: str
    names: tuple[str, ...]
    params: tuple[tuple[str, Callable[[Random], Any]], ...]
    nouns: tuple[str, ...]
    contexts: tuple[str, ...]
    given: tuple[str, ...]
    loops: tuple[str, ...]
    sequence: str = "{p}"
    test: str = ""
    """A condition that an element must meet to belong to the source."""


def _random_dict(random: Random) -> dict[str, int]:
    return {vocab.random_word(random): random.randint(-2, 15) for _ in range(random.randint(0, 4))}


INTS = vocab.list_sampler(vocab.random_small_integer)
PLAIN = vocab.list_sampler(vocab.random_small_positive_integer)
FLOATS = vocab.list_sampler(vocab.random_short_decimal, 0, 5)
WORD_LIST = vocab.list_sampler(vocab.random_word, 0, 5)
_LOOP = ("for {pattern} in {p}",)
_INTS = SequenceSource(
    "ints", "int", vocab.NUMBER_LIST_NAMES, (("List[int]", INTS),), ("numbers", "integers", "elements", "values", "numbers"),
    ("in the list", "in {p}", "of the list", "in the given list", "of {p}"),
    ("a list of integers", "a list of integers {p}", "a list of numbers", "a list {p} of integers", "an array of integers"),
    _LOOP,
)  # fmt: skip
_CHARS = SequenceSource(
    "chars", "char", vocab.STRING_NAMES, (("str", vocab.random_text),), ("characters", "characters", "letters"),
    ("in the string", "of the string", "in {p}", "of {p}", "of the given string"),
    ("a string", "a string {p}", "a given string {p}"), _LOOP,
)  # fmt: skip
_WORDS = SequenceSource(
    "words", "word", vocab.WORD_LIST_NAMES, (("List[str]", WORD_LIST),), ("strings", "words"),
    ("in the list", "in {p}", "of the list", "in the given list"),
    ("a list of strings", "a list of words", "a list of strings {p}"), _LOOP,
)  # fmt: skip

SOURCES: tuple[SequenceSource, ...] = (
    *[_INTS] * 5,
    SequenceSource(
        "plain", "int", vocab.NUMBER_LIST_NAMES, (("List[int]", PLAIN),), ("numbers", "integers"), ("in the list", "in {p}"),
        ("a list of positive integers", "a list of positive integers {p}"), _LOOP,
    ),
    *[SequenceSource(
        "floats", "float", vocab.NUMBER_LIST_NAMES, (("List[float]", FLOATS),), ("numbers", "values"),
        ("in the list", "in {p}", "of the given list"), ("a list of numbers", "a list of floats", "a list of real numbers {p}"),
        _LOOP,
    )] * 2,
    *[_CHARS] * 4,
    *[_WORDS] * 4,
    *[SequenceSource(
        "sentence", "word", vocab.SENTENCE_NAMES, (("str", vocab.random_sentence),), ("words",),
        ("in the sentence", "of the sentence", "in the string", "of {p}"),
        ("a sentence", "a string of words separated by spaces", "a sentence {p}"),
        ("for {pattern} in {p}.split()",), "{p}.split()",
    )] * 2,
    SequenceSource(
        "digits", "int", vocab.INTEGER_NAMES, (("int", vocab.integer_sampler(0, 99999)),), ("digits",), ("of {p}", "of the number", "of the integer"),
        ("a non-negative integer {p}", "an integer {p}"), ("for {pattern} in map(int, str({p}))",), "[int(d) for d in str({p})]",
    ),
    SequenceSource(
        "range", "int", ("n", "limit_n", "number"), (("int", vocab.integer_sampler(1, 20)),), ("integers", "numbers"),
        ("from 1 to {p}", "between 1 and {p} (inclusive)", "from 1 up to and including {p}"),
        ("a positive integer {p}", "an integer {p}"), ("for {pattern} in range(1, {p} + 1)",), "range(1, {p} + 1)",
    ),
    SequenceSource(
        "below", "int", ("n", "limit_n", "number"), (("int", vocab.integer_sampler(1, 20)),), ("integers", "numbers", "non-negative integers"),
        ("below {p}", "from 0 to {p} - 1", "less than {p}, starting from 0"),
        ("a positive integer {p}", "an integer {p}"), ("for {pattern} in range({p})",), "range({p})",
    ),
    SequenceSource(
        "divisors", "int", ("n", "number", "num"), (("int", vocab.integer_sampler(1, 60)),), ("divisors",), ("of {p}", "of the number"),
        ("a positive integer {p}", "an integer {p} greater than zero"), ("for {pattern} in range(1, {p} + 1)",),
        "[d for d in range(1, {p} + 1) if {p} % d == 0]", "{p} % {x} == 0",
    ),
    SequenceSource(
        "between", "int", ("a", "b"), (("int", vocab.integer_sampler(0, 8)), ("int", vocab.integer_sampler(8, 25))), ("integers", "numbers"),
        ("from the smaller to the larger of a and b (inclusive)", "between a and b, whichever is the smaller, both included"),
        ("two integers a and b",), ("for {pattern} in range(min(a, b), max(a, b) + 1)",), "range(min(a, b), max(a, b) + 1)",
    ),
    *[SequenceSource(
        "entries", "entry", vocab.DICT_NAMES, (("Dict[str, int]", _random_dict),), ("entries", "items"),
        ("of the dictionary", "in {p}", "of {p}", "in the dictionary"),
        ("a dictionary from strings to integers", "a dictionary {p}"), ("for {pattern} in {p}.items()",),
    )] * 3,
    *[SequenceSource(
        "items", "item", vocab.NUMBER_LIST_NAMES, (("List[int]", INTS),), ("elements", "numbers", "values"),
        ("of the list", "in the list", "of {p}"), ("a list of integers", "a list of integers {p}"),
        ("for {pattern} in enumerate({p})",),
    )] * 2,
    SequenceSource(
        "neighbours", "pair", vocab.NUMBER_LIST_NAMES, (("List[int]", INTS),), ("pairs of neighbouring elements", "pairs of adjacent numbers", "pairs of consecutive elements"),
        ("in the list", "of {p}"), ("a list of integers", "a list of numbers {p}"), ("for {pattern} in zip({p}, {p}[1:])",),
    ),
    *[SequenceSource(
        "two", "pair", ("xs", "ys"), (("List[int]", PLAIN), ("List[int]", PLAIN)), ("pairs of corresponding elements", "pairs of elements at the same position"),
        ("of the two lists", "of {p} and {q}", "in the two lists"), ("two lists of integers", "two lists {p} and {q}"),
        ("for {pattern} in zip({p}, {q})",),
    )] * 2,
    SequenceSource(
        "pairs", "pair", ("pairs", "points", "data"), (("List[Tuple[int, int]]", vocab.list_sampler(lambda r: (r.randint(0, 9), r.randint(0, 9)), 0, 5)),),
        ("pairs",), ("in the list", "in {p}"), ("a list of pairs of integers", "a list of tuples (a, b)"), ("for {pattern} in {p}",),
    ),
    SequenceSource(
        "cells", "int", vocab.GRID_NAMES, (("List[List[int]]", vocab.list_sampler(vocab.list_sampler(vocab.integer_sampler(-9, 20), 1, 4), 1, 3)),), ("numbers", "cells", "values"),
        ("in the grid", "of the matrix", "in all rows of {p}", "in the nested list"), ("a list of lists of integers", "a matrix given as a list of rows", "a grid {p}"),
        ("for row_ in {p}", "for {pattern} in row_"),
    ),
    SequenceSource(
        "listed", "int", ("text", "s", "line", "numbers"), (("str", lambda r: ",".join(str(r.randint(0, 40)) for _ in range(r.randint(1, 6)))),),
        ("numbers", "integers"), ("in the string", "of {p}"), ("a string of integers separated by commas", "a comma-separated string of numbers {p}"),
        ("for {pattern} in map(int, {p}.split(','))",), "[int(part) for part in {p}.split(',')]",
    ),
    SequenceSource(
        "spaced", "int", ("text", "s", "line", "numbers"), (("str", lambda r: " ".join(str(r.randint(0, 40)) for _ in range(r.randint(1, 6)))),),
        ("numbers", "integers"), ("in the string", "of {p}"), ("a string of integers separated by spaces", "a space-delimited string of numbers {p}"),
        ("for {pattern} in map(int, {p}.split())",), "[int(part) for part in {p}.split()]",
    ),
)  # fmt: skip
