"""Aggregations of a sequence, building blocks of generated functions: sum, count, any, join ..."""

from collections.abc import Mapping
from typing import NamedTuple


class Aggregation(NamedTuple):
    """An aggregation of a sequence in a generated function, such as a sum or a count, in words and in code.

    `takes` are the types of elements that it accepts, and `gives` is the type of its result. `phrases` describe it;
    {np} stands for a noun phrase of the elements. `code` are equivalent expressions, in which {gen} stands for the
    inside of a generator expression, {seq} for a sequence and {m} for an element. `start`, `update` and `end` are the
    parts of an equivalent loop; they are empty if a loop would be unusual. `direct` are expressions for a sequence that
    is neither filtered nor transformed.
    """

    takes: tuple[str, ...]
    gives: str
    phrases: tuple[str, ...]
    code: tuple[str, ...]
    names: tuple[str, ...]
    start: str = ""
    update: str = ""
    end: str = "{acc}"
    accumulators: tuple[str, ...] = ("result", "res")
    direct: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    needs_condition: bool = False
    """Whether it is useful only for a filtered sequence."""
    states_condition: bool = False
    """Whether its phrase states the condition (any, all, count), so that elements cannot be transformed."""


ANY = ("int", "float", "word", "char")
NUM = ("int", "float")
TOTALS = ("total", "result", "s", "res", "acc", "sum_")
LISTS = ("result", "res", "out", "output", "new_list", "answer")

AGGREGATIONS: tuple[Aggregation, ...] = (
    Aggregation(NUM, "same", ("the sum of {np}", "the total of {np}", "the sum of all {np_all}"), ("sum({gen})",), ("sum", "sum_of", "total"), "{acc} = 0", "{acc} += {m}", accumulators=TOTALS, direct=("sum({seq})",)),
    Aggregation(("int",), "int", ("the product of {np}",), ("math.prod({gen})",), ("product", "product_of"), "{acc} = 1", "{acc} *= {m}", accumulators=("product", "result", "p"), notes=("The product of no numbers is 1.", "Return 1 if there are none.")),
    Aggregation(ANY, "List", ("a list of {np}", "the list of {np}", "a new list with {np}"), ("[{gen}]",), ("list", "get", "select", "all"), "{acc} = []", "{acc}.append({m})", accumulators=LISTS, direct=("list({seq})",)),
    Aggregation(ANY, "List", ("a sorted list of {np}", "{np}, sorted in ascending order", "{np} in increasing order"), ("sorted({gen})",), ("sorted", "sort"), "{acc} = []", "{acc}.append({m})", "sorted({acc})", LISTS, ("sorted({seq})",)),
    Aggregation(ANY, "List", ("{np}, sorted in descending order", "{np} from largest to smallest"), ("sorted(({gen}), reverse=True)",), ("sorted_desc", "descending"), "{acc} = []", "{acc}.append({m})", "sorted({acc}, reverse=True)", LISTS, ("sorted({seq}, reverse=True)",)),
    Aggregation(ANY, "List", ("a list of {np} in reverse order", "{np}, in reversed order"), ("[{gen}][::-1]",), ("reversed",), "{acc} = []", "{acc}.append({m})", "{acc}[::-1]", LISTS, ("list({seq})[::-1]",)),
    Aggregation(ANY, "List", ("the distinct values among {np}, sorted", "{np} without duplicates, in sorted order"), ("sorted(set({gen}))",), ("unique", "distinct_sorted"), "{acc} = set()", "{acc}.add({m})", "sorted({acc})", ("seen", "found", "unique"), ("sorted(set({seq}))",)),
    Aggregation(ANY, "List", ("{np} without duplicates, in order of first appearance", "a list of {np} with repeated values removed, keeping the order"), ("list(dict.fromkeys({gen}))",), ("unique", "dedupe", "distinct"), "{acc} = []", "if {m} not in {acc}:\n    {acc}.append({m})", "{acc}", LISTS, ("list(dict.fromkeys({seq}))",)),
    Aggregation(ANY, "int", ("the number of distinct values among {np}", "how many different values there are among {np}"), ("len(set({gen}))", "len({{{gen}}})"), ("count_distinct", "count_unique"), "{acc} = set()", "{acc}.add({m})", "len({acc})", ("seen", "found"), ("len(set({seq}))",)),
    Aggregation(NUM, "same", ("the largest of {np}", "the maximum of {np}", "the greatest of {np}"), ("max(({gen}), default=0)",), ("max", "largest", "maximum"), "{acc} = None", "if {acc} is None or {m} > {acc}:\n    {acc} = {m}", "{acc} if {acc} is not None else 0", ("best", "largest", "result"), ("max({seq}, default=0)",), ("If there are none, return 0.", "Return 0 if there are no such values.")),
    Aggregation(NUM, "same", ("the smallest of {np}", "the minimum of {np}"), ("min(({gen}), default=0)",), ("min", "smallest", "minimum"), "{acc} = None", "if {acc} is None or {m} < {acc}:\n    {acc} = {m}", "{acc} if {acc} is not None else 0", ("best", "smallest", "result"), ("min({seq}, default=0)",), ("If there are none, return 0.", "Return 0 if there are no such values.")),
    Aggregation(("word",), "str", ("the longest of {np}", "the longest one of {np}"), ("max(({gen}), key=len, default='')",), ("longest",), "{acc} = ''", "if len({m}) > len({acc}):\n    {acc} = {m}", "{acc}", ("longest", "best", "result"), ("max({seq}, key=len, default='')",), ("Of several longest ones return the first; return an empty string if there are none.", "If there is a tie, return the first one. If there are none, return ''.")),
    Aggregation(("word", "char"), "str", ("the alphabetically first of {np}",), ("min(({gen}), default='')",), ("first_alphabetically", "smallest"), direct=("min({seq}, default='')",), notes=("Return an empty string if there are none.",)),
    Aggregation(("word",), "str", ("{np}, joined with spaces", "a string with {np} separated by spaces"), ("' '.join({gen})",), ("join", "joined"), "{acc} = []", "{acc}.append({m})", "' '.join({acc})", LISTS, ("' '.join({seq})",)),
    Aggregation(("word",), "str", ("{np}, joined with {mark}", "a string of {np} separated by {mark}"), ("{mark}.join({gen})",), ("join",), "{acc} = []", "{acc}.append({m})", "{mark}.join({acc})", LISTS, ("{mark}.join({seq})",)),
    Aggregation(("char", "word"), "str", ("a string made of {np}", "the concatenation of {np}", "{np} as one string"), ("''.join({gen})",), ("concat", "keep", "join"), "{acc} = ''", "{acc} += {m}", accumulators=("result", "res", "out", "s2"), direct=("''.join({seq})",)),
    Aggregation(("char",), "str", ("a string of {np}", "the string that is left when keeping only {np}"), ("''.join({gen})",), ("keep", "only", "filter"), "{acc} = ''", "{acc} += {m}", accumulators=("result", "res", "out"), needs_condition=True),
    Aggregation(("char",), "str", ("a string of {np} in reverse order",), ("''.join({gen})[::-1]",), ("reverse",), "{acc} = ''", "{acc} = {m} + {acc}", accumulators=("result", "res", "out"), direct=("''.join({seq})[::-1]",)),
    Aggregation(("char",), "str", ("a string of {np}, sorted alphabetically",), ("''.join(sorted({gen}))",), ("sorted",), direct=("''.join(sorted({seq}))",)),
    Aggregation(ANY, "first", ("the first of {np}", "the first one of {np}"), ("next(({gen}), None)",), ("first", "find_first"), notes=("Return None if there is none.", "If there is no such value, return None."), needs_condition=True),
    Aggregation(ANY, "last", ("the last of {np}",), ("([None] + [{gen}])[-1]",), ("last", "find_last"), "{acc} = None", "{acc} = {m}", accumulators=("last", "result", "found"), notes=("Return None if there is none.",), needs_condition=True),
    Aggregation(NUM, "float", ("the average of {np}", "the arithmetic mean of {np}", "the mean of {np}"), (), ("average", "mean"), "{acc} = []", "{acc}.append({m})", "sum({acc}) / len({acc}) if {acc} else 0.0", ("chosen", "selected", "values_", "kept"), ("sum({seq}) / len({seq}) if {seq} else 0.0",), ("Return 0.0 if there are none.", "For no values the result is 0.0.")),
    Aggregation(NUM, "same", ("the difference between the largest and the smallest of {np}", "the range (maximum minus minimum) of {np}"), (), ("range", "spread"), "{acc} = []", "{acc}.append({m})", "max({acc}) - min({acc}) if {acc} else 0", ("chosen", "selected", "kept"), ("max({seq}) - min({seq}) if {seq} else 0",), ("Return 0 if there are none.",)),
    Aggregation(ANY, "Dict", ("a dictionary that counts how often each value occurs among {np}", "a dictionary with the number of occurrences of each of {np}"), ("dict(Counter({gen}))",), ("counts", "count_each", "frequencies"), "{acc} = {{}}", "{acc}[{m}] = {acc}.get({m}, 0) + 1", accumulators=("counts", "freq", "result"), direct=("dict(Counter({seq}))",)),
    Aggregation(("count",), "int", ("the number of {np}", "how many {np_bare} there are", "the count of {np}"), ("sum(1 {bare})", "len([{x} {bare}])"), ("count", "number_of", "how_many"), "{acc} = 0", "{acc} += 1", accumulators=("count", "cnt", "total", "result"), needs_condition=True, states_condition=True),
    Aggregation(("any",), "bool", ("True if there are any {np_bare}", "whether there is at least one among {np}"), ("any({test} {over})",), ("any", "has", "contains"), needs_condition=True, states_condition=True),
    Aggregation(("all",), "bool", ("",), ("all({test} {over})",), ("all", "only", "every"), needs_condition=True, states_condition=True),
)

ELEMENT_TYPES: Mapping[str, str] = {"int": "int", "float": "float", "word": "str", "char": "str"}
