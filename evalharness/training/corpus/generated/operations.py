"""Conditions on and transformations of sequence elements, building blocks of generated functions.

In each `code`, {x} stands for the element, {y} for the second element of a pair, and other names in braces for extra
values: literals or additional parameters. Clauses and phrases use the same names.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

from evalharness.training.corpus.generated.vocabulary import integer_sampler, random_letter, random_word_fragment


class ValuePlaceholder(NamedTuple):
    """A placeholder for a value, such as a threshold, that becomes a literal or a parameter of a generated function.

    `names` are possible names of the parameter, `type` is its annotation, and `sample` draws a value.
    """

    names: tuple[str, ...]
    type: str
    sample: Callable[[Random], Any]


VALUE_PLACEHOLDERS: Mapping[str, ValuePlaceholder] = {
    "limit": ValuePlaceholder(("threshold", "limit", "bound", "k", "cutoff", "t"), "int", integer_sampler(-2, 12)),
    "low": ValuePlaceholder(("low", "lower", "a", "start", "minimum"), "int", integer_sampler(-3, 3)),
    "high": ValuePlaceholder(("high", "upper", "b", "end", "maximum"), "int", integer_sampler(6, 15)),
    "divisor": ValuePlaceholder(("divisor", "k", "m", "d", "base"), "int", integer_sampler(2, 6)),
    "amount": ValuePlaceholder(("k", "amount", "offset", "delta", "step"), "int", integer_sampler(1, 9)),
    "factor": ValuePlaceholder(("factor", "k", "scale", "multiplier"), "int", integer_sampler(2, 6)),
    "digit": ValuePlaceholder(("digit", "d"), "int", integer_sampler(0, 9)),
    "size": ValuePlaceholder(("size", "length", "n", "k", "min_length"), "int", integer_sampler(2, 5)),
    "target": ValuePlaceholder(("target", "value", "wanted", "element"), "int", integer_sampler(0, 6)),
    "char": ValuePlaceholder(("char", "c", "letter", "ch", "character"), "str", random_letter),
    "prefix": ValuePlaceholder(("prefix", "start", "beginning"), "str", random_word_fragment),
    "suffix": ValuePlaceholder(("suffix", "ending", "end"), "str", random_word_fragment),
    "part": ValuePlaceholder(("substring", "part", "sub", "fragment", "pattern"), "str", random_word_fragment),
    "allowed": ValuePlaceholder(("allowed", "letters", "alphabet", "chars"), "str", lambda r: "".join(r.sample("abcestrnio", 4))),
    "mark": ValuePlaceholder(("mark", "separator", "sep", "delimiter"), "str", lambda r: r.choice("-_,;+*#.")),
}


class Condition(NamedTuple):
    """A condition by which a generated function filters elements, such as "that are even", in words and in code.

    `takes` is the type of the elements. `clauses` are relative clauses; `adjective` says the same in one word.
    """

    takes: str
    clauses: tuple[str, ...]
    code: tuple[str, ...]
    names: tuple[str, ...]
    adjective: str = ""


class Transformation(NamedTuple):
    """A transformation of each element in a generated function, such as squaring, in words and in code.

    `takes` and `gives` are the types of the elements before and after it. In `phrases`, {np} stands for a noun phrase
    of the elements.
    """

    takes: str
    gives: str
    phrases: tuple[str, ...]
    code: tuple[str, ...]
    names: tuple[str, ...]


CONDITIONS: tuple[Condition, ...] = (
    Condition("int", ("that are even", "that are divisible by 2"), ("{x} % 2 == 0",), ("even",), "even"),
    Condition("int", ("that are odd", "that are not even"), ("{x} % 2 == 1", "{x} % 2 != 0"), ("odd",), "odd"),
    Condition(
        "num", ("that are positive", "that are greater than zero", "above 0"), ("{x} > 0",), ("positive",), "positive"
    ),
    Condition(
        "num", ("that are negative", "that are less than zero", "below 0"), ("{x} < 0",), ("negative",), "negative"
    ),
    Condition("num", ("that are not zero", "different from 0"), ("{x} != 0",), ("nonzero",), "non-zero"),
    Condition("num", ("that are not negative", "that are at least 0"), ("{x} >= 0",), ("nonnegative",), "non-negative"),
    Condition(
        "num",
        ("greater than {limit}", "above {limit}", "that are larger than {limit}", "that exceed {limit}"),
        ("{x} > {limit}",),
        ("above", "greater", "over"),
    ),
    Condition(
        "num",
        ("less than {limit}", "below {limit}", "that are smaller than {limit}"),
        ("{x} < {limit}",),
        ("below", "smaller", "under"),
    ),
    Condition("num", ("that are at least {limit}", "not less than {limit}"), ("{x} >= {limit}",), ("at_least",)),
    Condition("num", ("that are at most {limit}", "not greater than {limit}"), ("{x} <= {limit}",), ("at_most",)),
    Condition(
        "num",
        ("between {low} and {high} (inclusive)", "in the range from {low} to {high}, both included"),
        ("{low} <= {x} <= {high}", "{x} >= {low} and {x} <= {high}"),
        ("between", "in_range"),
    ),
    Condition(
        "num",
        ("that are less than {low} or greater than {high}", "outside the range from {low} to {high}"),
        ("{x} < {low} or {x} > {high}",),
        ("outside",),
    ),
    Condition(
        "int",
        ("that are divisible by {divisor}", "that are multiples of {divisor}"),
        ("{x} % {divisor} == 0",),
        ("divisible", "multiples"),
    ),
    Condition("int", ("that are not divisible by {divisor}",), ("{x} % {divisor} != 0",), ("not_divisible",)),
    Condition(
        "int",
        ("whose last digit is {digit}", "that end with the digit {digit}"),
        ("abs({x}) % 10 == {digit}",),
        ("ending_in",),
    ),
    Condition(
        "int", ("that contain the digit {digit}",), ("str({digit}) in str({x})",), ("with_digit",)
    ),
    Condition("num", ("equal to {target}",), ("{x} == {target}",), ("equal",)),
    Condition("num", ("different from {target}", "not equal to {target}"), ("{x} != {target}",), ("not_equal", "other")),
    Condition(
        "int",
        ("that are even and positive", "that are positive and even"),
        ("{x} > 0 and {x} % 2 == 0",),
        ("positive_even",),
    ),
    Condition("int", ("that are odd and greater than {limit}",), ("{x} % 2 == 1 and {x} > {limit}",), ("odd_above",)),
    Condition("int", ("that are divisible by {divisor} or negative",), ("{x} % {divisor} == 0 or {x} < 0",), ("chosen",)),
    Condition(
        "int",
        ("that have exactly two digits", "with two digits"),
        ("10 <= abs({x}) <= 99", "len(str(abs({x}))) == 2"),
        ("two_digit",),
        "two-digit",
    ),
    Condition("char", ("that are vowels", "which are vowels"), ("{x}.lower() in 'aeiou'", "{x} in 'aeiouAEIOU'"), ("vowels",)),
    Condition("char", ("that are not vowels",), ("{x}.lower() not in 'aeiou'", "{x} not in 'aeiouAEIOU'"), ("non_vowels",)),
    Condition(
        "char",
        ("that are consonants",),
        ("{x}.isalpha() and {x}.lower() not in 'aeiou'",),
        ("consonants",),
    ),
    Condition("char", ("that are uppercase letters", "in upper case"), ("{x}.isupper()",), ("upper",), "uppercase"),
    Condition("char", ("that are lowercase letters", "in lower case"), ("{x}.islower()",), ("lower",), "lowercase"),
    Condition("char", ("that are digits",), ("{x}.isdigit()",), ("digits",)),
    Condition("char", ("that are not digits",), ("not {x}.isdigit()",), ("non_digits",)),
    Condition("char", ("that are letters", "that are alphabetic"), ("{x}.isalpha()",), ("letters",), "alphabetic"),
    Condition("char", ("that are letters or digits", "that are alphanumeric"), ("{x}.isalnum()",), ("alphanumeric",)),
    Condition("char", ("that are not spaces", "other than spaces"), ("{x} != ' '", "not {x}.isspace()"), ("non_space",)),
    Condition("char", ("equal to {char}", "that are the same as {char}"), ("{x} == {char}",), ("equal",)),
    Condition("char", ("other than {char}", "different from {char}"), ("{x} != {char}",), ("without",)),
    Condition("char", ("that occur in {allowed}", "that are contained in {allowed}"), ("{x} in {allowed}",), ("allowed",)),
    Condition("char", ("that do not occur in {allowed}",), ("{x} not in {allowed}",), ("forbidden", "excluded")),
    Condition("char", ("that come after {char} in the alphabet",), ("{x} > {char}",), ("after",)),
    Condition("word", ("that start with {prefix}", "beginning with {prefix}"), ("{x}.startswith({prefix})",), ("starting_with", "prefixed")),
    Condition("word", ("that end with {suffix}", "ending in {suffix}"), ("{x}.endswith({suffix})",), ("ending_with",)),
    Condition("word", ("that contain {part}", "which have {part} as a substring"), ("{part} in {x}",), ("containing", "with")),
    Condition("word", ("that do not contain {part}", "without {part} in them"), ("{part} not in {x}",), ("without",)),
    Condition(
        "word",
        ("longer than {size} characters", "with more than {size} characters"),
        ("len({x}) > {size}",),
        ("long", "longer"),
    ),
    Condition("word", ("shorter than {size} characters",), ("len({x}) < {size}",), ("short", "shorter")),
    Condition("word", ("of length {size}", "that have exactly {size} characters"), ("len({x}) == {size}",), ("of_length",)),
    Condition("word", ("with at least {size} characters",), ("len({x}) >= {size}",), ("at_least",)),
    Condition("word", ("of even length", "whose length is even"), ("len({x}) % 2 == 0",), ("even_length",)),
    Condition("word", ("of odd length", "whose length is odd"), ("len({x}) % 2 == 1", "len({x}) % 2 != 0"), ("odd_length",)),
    Condition("word", ("that are palindromes", "that read the same backwards"), ("{x} == {x}[::-1]",), ("palindromes",)),
    Condition("word", ("that are written in upper case",), ("{x}.isupper()",), ("uppercase",), "uppercase"),
    Condition("word", ("that begin with an uppercase letter", "that are capitalized"), ("{x}[0].isupper()", "{x}[:1].isupper()"), ("capitalized",)),
    Condition("word", ("that start with a vowel", "beginning with a vowel"), ("{x}[0].lower() in 'aeiou'",), ("vowel_start",)),
    Condition("word", ("that contain a vowel", "with at least one vowel"), ("any(c in 'aeiou' for c in {x}.lower())",), ("with_vowels",)),
    Condition("word", ("whose first and last characters are the same",), ("{x}[0] == {x}[-1]",), ("same_ends",)),
    Condition("word", ("that have no repeated characters",), ("len(set({x})) == len({x})",), ("distinct_letters",)),
    Condition("word", ("different from {part}",), ("{x} != {part}",), ("other",)),
    Condition("pair", ("that are equal", "with equal members"), ("{x} == {y}",), ("equal", "matching")),
    Condition("pair", ("that differ", "with different members"), ("{x} != {y}",), ("different", "differing")),
    Condition("pair", ("where the first is greater than the second",), ("{x} > {y}",), ("greater", "descending")),
    Condition("pair", ("where the second is greater than the first",), ("{x} < {y}", "{y} > {x}"), ("rising", "ascending")),
    Condition("pair", ("whose sum is even",), ("({x} + {y}) % 2 == 0",), ("even_sum",)),
    Condition("pair", ("whose sum is greater than {limit}",), ("{x} + {y} > {limit}",), ("large_sum",)),
    Condition("pair", ("whose members differ by at most {amount}",), ("abs({x} - {y}) <= {amount}",), ("close",)),
    Condition("pair", ("whose members differ by more than {amount}",), ("abs({x} - {y}) > {amount}",), ("far",)),
    Condition("item", ("at even positions", "with an even index", "at even indices"), ("{x} % 2 == 0",), ("even_positions",)),
    Condition("item", ("at odd positions", "with an odd index", "at odd indices"), ("{x} % 2 == 1", "{x} % 2 != 0"), ("odd_positions",)),
    Condition("item", ("whose index is divisible by {divisor}",), ("{x} % {divisor} == 0",), ("every",)),
    Condition("item", ("that are greater than their index",), ("{y} > {x}",), ("above_index",)),
    Condition("item", ("that are equal to their index",), ("{y} == {x}", "{x} == {y}"), ("fixed_points",)),
    Condition("item", ("that are positive and at an even index",), ("{y} > 0 and {x} % 2 == 0",), ("positive_even_index",)),
    Condition("item", ("that are odd and at an even position",), ("{y} % 2 == 1 and {x} % 2 == 0",), ("odd_even_index",)),
    Condition("entry", ("whose value is greater than {limit}", "with a value above {limit}"), ("{y} > {limit}",), ("above",)),
    Condition("entry", ("whose value is less than {limit}", "with a value below {limit}"), ("{y} < {limit}",), ("below",)),
    Condition("entry", ("whose value is even", "with an even value"), ("{y} % 2 == 0",), ("even",)),
    Condition("entry", ("whose value is odd",), ("{y} % 2 == 1", "{y} % 2 != 0"), ("odd",)),
    Condition("entry", ("whose value is positive",), ("{y} > 0",), ("positive",)),
    Condition("entry", ("whose key starts with {prefix}",), ("{x}.startswith({prefix})",), ("prefixed",)),
    Condition("entry", ("whose key contains {part}",), ("{part} in {x}",), ("containing",)),
    Condition("entry", ("whose key has more than {size} characters",), ("len({x}) > {size}",), ("long_key",)),
    Condition("entry", ("whose value is equal to {target}",), ("{y} == {target}",), ("equal",)),
)

TRANSFORMATIONS: tuple[Transformation, ...] = (
    Transformation("num", "same", ("the squares of {np}", "the squared {np_bare}"), ("{x} ** 2", "{x} * {x}"), ("squared", "squares")),
    Transformation("num", "same", ("the cubes of {np}",), ("{x} ** 3",), ("cubes", "cubed")),
    Transformation("num", "same", ("the absolute values of {np}",), ("abs({x})",), ("absolute", "abs")),
    Transformation("num", "same", ("twice {np}", "the doubles of {np}", "the doubled values of {np}"), ("{x} * 2", "2 * {x}"), ("doubled", "twice")),
    Transformation("num", "same", ("the negated values of {np}", "the opposites of {np}"), ("-{x}",), ("negated",)),
    Transformation("num", "same", ("{np}, each multiplied by {factor}", "{np} times {factor}"), ("{x} * {factor}",), ("scaled", "multiplied")),
    Transformation("num", "same", ("{np}, each increased by {amount}", "{np} plus {amount}"), ("{x} + {amount}",), ("shifted", "increased")),
    Transformation("num", "same", ("{np}, each decreased by {amount}",), ("{x} - {amount}",), ("decreased",)),
    Transformation("int", "int", ("the remainders of {np} when divided by {divisor}", "{np} modulo {divisor}"), ("{x} % {divisor}",), ("remainders", "modulo")),
    Transformation("int", "int", ("{np} divided by {divisor}, rounded down",), ("{x} // {divisor}",), ("divided",)),
    Transformation("int", "int", ("the last digits of {np}",), ("abs({x}) % 10",), ("last_digits",)),
    Transformation("int", "int", ("the digit sums of {np}", "the sums of the digits of {np}"), ("sum(int(d) for d in str(abs({x})))",), ("digit_sums",)),
    Transformation("int", "int", ("the numbers of digits of {np}",), ("len(str(abs({x})))",), ("digit_counts",)),
    Transformation("int", "word", ("{np} as strings", "{np} converted to strings"), ("str({x})",), ("strings", "as_text")),
    Transformation("num", "same", ("the distances of {np} from {target}",), ("abs({x} - {target})",), ("distances",)),
    Transformation("num", "same", ("{np}, with negative ones replaced by 0",), ("max({x}, 0)", "{x} if {x} > 0 else 0"), ("clipped",)),
    Transformation("num", "same", ("{np}, none of them larger than {high}", "{np} capped at {high}"), ("min({x}, {high})",), ("capped",)),
    Transformation("int", "int", ("{np}, with even ones halved",), ("{x} // 2 if {x} % 2 == 0 else {x}",), ("halved",)),
    Transformation("int", "int", ("{np}, with odd ones doubled",), ("{x} * 2 if {x} % 2 == 1 else {x}",), ("odd_doubled",)),
    Transformation("float", "int", ("{np} rounded to the nearest integer",), ("round({x})",), ("rounded",)),
    Transformation("char", "char", ("{np} in upper case", "{np} converted to upper case"), ("{x}.upper()",), ("upper",)),
    Transformation("char", "char", ("{np} in lower case", "{np} converted to lower case"), ("{x}.lower()",), ("lower",)),
    Transformation("char", "char", ("{np} with their case swapped",), ("{x}.swapcase()",), ("swapped",)),
    Transformation("char", "word", ("{np}, each doubled", "{np}, each repeated twice"), ("{x} * 2", "{x} + {x}"), ("doubled",)),
    Transformation("char", "word", ("{np}, each repeated {factor} times",), ("{x} * {factor}",), ("repeated",)),
    Transformation("char", "char", ("{np}, with vowels replaced by {mark}",), ("{mark} if {x} in 'aeiouAEIOU' else {x}",), ("masked",)),
    Transformation("char", "char", ("{np}, with digits replaced by {mark}",), ("{mark} if {x}.isdigit() else {x}",), ("hidden_digits",)),
    Transformation("char", "char", ("{np}, with spaces replaced by {mark}",), ("{mark} if {x} == ' ' else {x}",), ("filled",)),
    Transformation("char", "int", ("the character codes of {np}", "the ASCII codes of {np}"), ("ord({x})",), ("codes",)),
    Transformation("word", "int", ("the lengths of {np}",), ("len({x})",), ("lengths",)),
    Transformation("word", "word", ("{np}, each reversed", "the reversed {np_bare}"), ("{x}[::-1]",), ("reversed",)),
    Transformation("word", "word", ("{np} in upper case",), ("{x}.upper()",), ("upper",)),
    Transformation("word", "word", ("{np} in lower case",), ("{x}.lower()",), ("lower",)),
    Transformation("word", "word", ("{np}, each capitalized", "{np} with the first letter capitalized"), ("{x}.capitalize()",), ("capitalized",)),
    Transformation("word", "char", ("the first letters of {np}", "the first characters of {np}"), ("{x}[0]",), ("first_letters", "initials")),
    Transformation("word", "char", ("the last letters of {np}", "the last characters of {np}"), ("{x}[-1]",), ("last_letters",)),
    Transformation("word", "word", ("the first {size} characters of {np}",), ("{x}[:{size}]",), ("prefixes", "shortened")),
    Transformation("word", "word", ("{np} without their first character",), ("{x}[1:]",), ("tails",)),
    Transformation("word", "word", ("{np} with their letters sorted",), ("''.join(sorted({x}))",), ("sorted_letters",)),
    Transformation("word", "word", ("{np}, each followed by {mark}",), ("{x} + {mark}",), ("marked",)),
    Transformation("word", "word", ("{np}, each preceded by {prefix}",), ("{prefix} + {x}",), ("prefixed",)),
    Transformation("word", "word", ("{np} with every {char} removed",), ("{x}.replace({char}, '')",), ("without_char",)),
    Transformation("word", "word", ("{np} with {char} replaced by {mark}",), ("{x}.replace({char}, {mark})",), ("replaced",)),
    Transformation("word", "int", ("the numbers of vowels in {np}",), ("sum(1 for c in {x} if c in 'aeiouAEIOU')", "sum(c in 'aeiouAEIOU' for c in {x})"), ("vowel_counts",)),
    Transformation("word", "int", ("the numbers of times that {char} occurs in {np}",), ("{x}.count({char})",), ("char_counts",)),
    Transformation("word", "int", ("the numbers of distinct characters in {np}",), ("len(set({x}))",), ("distinct_counts",)),
    Transformation("pair", "int", ("the sums of {np}",), ("{x} + {y}",), ("sums",)),
    Transformation("pair", "int", ("the products of {np}",), ("{x} * {y}",), ("products",)),
    Transformation("pair", "int", ("the absolute differences of {np}",), ("abs({x} - {y})",), ("gaps", "absolute_differences")),
    Transformation("pair", "int", ("the differences (first minus second) of {np}",), ("{x} - {y}",), ("differences",)),
    Transformation("pair", "int", ("the differences (second minus first) of {np}",), ("{y} - {x}",), ("steps",)),
    Transformation("pair", "int", ("the larger members of {np}", "the maxima of {np}"), ("max({x}, {y})", "{x} if {x} > {y} else {y}"), ("larger", "maxima")),
    Transformation("pair", "int", ("the smaller members of {np}", "the minima of {np}"), ("min({x}, {y})", "{x} if {x} < {y} else {y}"), ("smaller", "minima")),
    Transformation("item", "int", ("{np}",), ("{y}",), ("values",)),
    Transformation("item", "int", ("{np}",), ("{y}",), ("elements",)),
    Transformation("item", "int", ("the indices of {np}", "the positions of {np}"), ("{x}",), ("indices", "positions")),
    Transformation("item", "int", ("the products of index and value of {np}", "{np}, each multiplied by its index"), ("{x} * {y}",), ("weighted",)),
    Transformation("item", "int", ("{np}, each with its index added",), ("{y} + {x}", "{x} + {y}"), ("with_index",)),
    Transformation("item", "int", ("{np}, each with its index subtracted",), ("{y} - {x}",), ("minus_index",)),
    Transformation("entry", "int", ("the values of {np}",), ("{y}",), ("values",)),
    Transformation("entry", "word", ("the keys of {np}",), ("{x}",), ("keys",)),
    Transformation("entry", "word", ("the keys of {np}, in upper case",), ("{x}.upper()",), ("upper_keys",)),
    Transformation("entry", "int", ("the key lengths of {np}",), ("len({x})",), ("key_lengths",)),
    Transformation("entry", "int", ("twice the values of {np}",), ("{y} * 2", "2 * {y}"), ("doubled",)),
    Transformation("entry", "word", ("texts of the form key=value for {np}",), ("f'{{{x}}}={{{y}}}'", "{x} + '=' + str({y})"), ("texts", "assignments")),
)
