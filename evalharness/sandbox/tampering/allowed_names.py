"""Names that a Python program may use and still count as harmless (able only to compute), by kind of program.

The names are modules with their members, builtins, and attributes. These are lists of what is allowed: a program with
any other name is suspicious, which means that it runs with more isolation and more checks.
"""

import builtins
import functools
import importlib
import math
import re
import types
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from evalharness.sandbox.tampering.bigcodebench_words import SETTABLE_ATTRIBUTES, SUITE_MODULES, SUITE_NAMES

MODULE_NAMES = """
bisect: bisect bisect_left bisect_right insort insort_left insort_right
collections: Counter OrderedDict defaultdict deque
copy: copy deepcopy
datetime: date datetime timedelta
decimal: Decimal ROUND_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP
fractions: Fraction
functools: cache cmp_to_key lru_cache partial reduce
hashlib: md5 sha1 sha256 sha512
heapq: heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest
itertools: accumulate chain combinations combinations_with_replacement compress count cycle dropwhile filterfalse
itertools: from_iterable groupby islice pairwise permutations product repeat starmap takewhile tee zip_longest
random: choice choices randint random randrange sample shuffle uniform
re: DOTALL I IGNORECASE M MULTILINE S VERBOSE X compile escape findall finditer fullmatch match search split sub
statistics: mean median mode pstdev pvariance stdev variance
string: ascii_letters ascii_lowercase ascii_uppercase digits hexdigits punctuation whitespace
sys: maxsize
typing: Any Callable Deque Dict FrozenSet Generator Iterable Iterator List Mapping NoReturn Optional Sequence Set
typing: Tuple Union
"""
"""The names that a harmless (compute-only) program may use, by module, besides all of `math`. Without `seed` of
`random`: a program that seeds the generator knows the random numbers that its checks draw.
"""
BUILTINS = """
abs all any ascii bin bool bytearray bytes callable chr complex dict divmod enumerate filter float format frozenset hash
hex int isinstance iter len list map max min next oct ord pow print range repr reversed round set slice sorted str sum
tuple zip
"""
"""The builtins that a harmless (compute-only) program may use, besides the classes of exceptions."""
VALUE_TYPES = (
    *(str, bytes, bytearray, int, float, complex, list, tuple, dict, set, frozenset, range),
    *(Counter, OrderedDict, defaultdict, deque, date, datetime, timedelta, Decimal, Fraction, re.Pattern, re.Match),
)
LIVECODEBENCH_MODULE_NAMES = """
sys: stdin stdout stderr setrecursionlimit exit
threading: Thread
operator: itemgetter abs add and_ concat contains eq floordiv ge getitem gt index inv invert is_ is_not le lshift lt mod
operator: mul ne neg not_ or_ pos pow rshift sub truediv truth xor
functools: partial reduce wraps
"""
"""Further names that harmless (compute-only) programs for LiveCodeBench may use, because no checks run in their
process.
"""
STREAM_ATTRIBUTES = frozenset({"buffer", "close", "flush", "read", "readline", "readlines", "start", "write"})
SPECIAL = "init lt repr str len call eq hash iter next"
SPECIAL_METHODS = frozenset(f"__{name}__" for name in SPECIAL.split())
"""Special methods that classes of a harmless (compute-only) LiveCodeBench program may define."""
UNSAFE_PRELUDE_MODULES = "functools io operator string sys typing"
"""Modules that LiveCodeBench's grader imports with `*` before a program, and which have functions that do more than
compute.
"""


@dataclass(frozen=True)
class AllowedNames:
    """The names that a program may use and still count as harmless, which means that it can only compute.

    `settable`: attributes that a program may set. `predefined`: names that are defined before it starts. `reserved`:
    names that it may not define, because the official grader's imports give them another meaning. `classes`: whether it
    may define classes and set their attributes. `import_all`: whether it may import all names of a module by `*`.
    """

    modules: dict[str, frozenset[str]]
    builtins: frozenset[str]
    attributes: frozenset[str]
    settable: frozenset[str] = frozenset()
    predefined: frozenset[str] = frozenset()
    reserved: frozenset[str] = frozenset()
    classes: bool = False
    import_all: bool = False


def parse_names_by_module(text: str) -> dict[str, frozenset[str]]:
    """Returns {module: names} from a text with lines of the form `module: name name ...`."""
    by_module: dict[str, frozenset[str]] = {}
    for line in text.strip().splitlines():
        module, _, names = line.partition(":")
        by_module[module] = by_module.get(module, frozenset()) | frozenset(names.split())
    return by_module


def _merge_names_by_module(*tables: dict[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    names = {name for table in tables for name in table}
    return {name: frozenset().union(*(table.get(name, frozenset()) for table in tables)) for name in names}


def _public_attribute_names(value: object) -> frozenset[str]:
    return frozenset(name for name in dir(value) if not name.startswith("_"))


def _callable_and_module_names(module_name: str) -> set[str]:
    """Returns the names of a module's functions, classes and submodules, and for `sys` also the name `modules`."""
    loaded = importlib.import_module(module_name)
    return {
        name
        for name in _public_attribute_names(loaded)
        if callable(value := getattr(loaded, name)) or isinstance(value, types.ModuleType) or name == "modules"
    }


FUNCTIONS = {**parse_names_by_module(MODULE_NAMES), "math": _public_attribute_names(math)}
PLAIN_BUILTINS = frozenset(BUILTINS.split()) | {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, Exception) and not issubclass(value, Warning)
}
ATTRIBUTES = (
    frozenset().union(*map(_public_attribute_names, VALUE_TYPES))
    | {"hexdigest", "digest"}
    | frozenset().union(*FUNCTIONS.values())
) - {"format", "format_map"}
DEFAULT_ALLOWED_NAMES = AllowedNames(FUNCTIONS, PLAIN_BUILTINS, ATTRIBUTES)
"""The names that a harmless (compute-only) program may use if it runs with assertions or is called on inputs."""


@functools.cache
def livecodebench_allowed_names() -> AllowedNames:
    """Returns the names that a harmless (compute-only) program may use if LiveCodeBench's test cases judge it."""
    modules = _merge_names_by_module(FUNCTIONS, parse_names_by_module(LIVECODEBENCH_MODULE_NAMES))
    known = frozenset().union(*modules.values())
    return AllowedNames(
        modules=modules,
        builtins=PLAIN_BUILTINS | {"input", "exit", "quit", "object", "__name__"},
        attributes=ATTRIBUTES | STREAM_ATTRIBUTES | known | SPECIAL_METHODS,
        predefined=known,
        reserved=frozenset().union(*map(_callable_and_module_names, UNSAFE_PRELUDE_MODULES.split())) - known,
        classes=True,
        import_all=True,
    )


@functools.cache
def builtin_and_module_attributes() -> frozenset[str]:
    """Returns the names of all attributes of built-in types, and of the modules allowed in LiveCodeBench programs.

    A program that reads an attribute with such a name is not considered harmless (compute-only) unless the name is
    allowed. That is so even if the program's own classes define the name: the program may read a built-in attribute
    instead, such as a frame's `f_globals`.
    """
    kinds = [kind for kind in vars(types).values() if isinstance(kind, type)]
    modules = map(importlib.import_module, livecodebench_allowed_names().modules)
    return frozenset().union(*map(dir, [object, *kinds]), *map(dir, modules))


@functools.cache
def unittest_allowed_names() -> AllowedNames:
    """Returns the names that a harmless (compute-only) program may use if BigCodeBench's `unittest` suites judge it."""
    names = frozenset(SUITE_NAMES.split())
    modules = _merge_names_by_module(FUNCTIONS, dict.fromkeys(SUITE_MODULES.split(), names))
    return AllowedNames(
        modules=modules,
        builtins=PLAIN_BUILTINS,
        attributes=ATTRIBUTES | names,
        settable=frozenset(SETTABLE_ATTRIBUTES.split()),
    )
