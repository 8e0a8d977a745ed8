"""Makes false expected values for canaries, in any language: similar to the problem's right values, but unequal.

A false value is drawn from what the problem's tests expect: the other truth value, a list with two items exchanged, a
string with two letters exchanged, a number between the least and the greatest of the same form, or what another test
expects. Two tests expect the same only if two of the original's do. So no program can tell a false value from a right
one by its form.
"""

import itertools
import random
import re
from collections.abc import Callable, Iterator, Sequence

RANDOM = random.SystemRandom()
MAX_ATTEMPTS = 30
"""How often a change of a value is drawn before another kind of change is tried."""
BOOLEAN = re.compile(r"(?i)(?<!\w)(?:true|false)(?!\w)|#[tf](?!\w)")
NUMBER = re.compile(r"(?<![\w.])\d{1,15}(?:\.\d+)?(?!\w*\()(?![\w.]*\d)")
STRING_LITERAL = re.compile(r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""")
LETTER = re.compile("[a-zA-Z]")
DIGITS = re.compile(r"\d+(?:\.\d+)?")
KEY_VALUE_TABLE = re.compile(r"=>|:|->|\] =|[mM]ap|[hH]ash|[dD]ict|Pair|Entry")
"""Matches tables of keys and values, whose strings are not exchanged: two keys may have the same value."""
SET = re.compile(r"\s*(?:\{(?![^{}]*:)|(?:new\s+)?\w*[sS]et\b)")
"""Matches the beginning of a set. Python writes sets in braces, as C++ does lists."""
NULL = re.compile(r"\b(?:null|undefined|nil|none|nothing|na)\b", re.IGNORECASE)


def make_unequal_value(value: str, expected_values: Sequence[str] = ()) -> str | None:
    """Returns the source text of a value of the same type as `value` but unequal to it; None if none is found.

    The two are unequal in every programming language. `expected_values` has the source text of each test's expected
    value. If these are all different, the result differs from each of them.
    """
    known = {normalize_literal(other) for other in expected_values}
    are_distinct = len(known) == len(expected_values) or not expected_values
    if BOOLEAN.search(value):
        return _negate_one_boolean(value)
    others = [other for other in expected_values if _are_unequal_values(other, value)]
    if not are_distinct and others:  # the answers may be a few words, such as YES and NO
        return RANDOM.choice(others)
    changes = [_swap_numbers, _swap_strings, _swap_letters]
    RANDOM.shuffle(changes)
    for change in [*changes, _replace_by_number_in_expected_range, _replace_letter, _replace_by_nearby_number]:
        for _ in range(MAX_ATTEMPTS):
            changed = change(value, expected_values)
            if changed is None:
                break
            if not _are_unequal_values(changed, value) or _may_be_equal_sets(changed, value):
                continue
            if not are_distinct or normalize_literal(changed) not in known:
                return changed
    return RANDOM.choice(others) if others else None


def _negate_one_boolean(value: str) -> str:
    """Returns the text of a value with one of its booleans negated, in the same spelling (`True`, `true`, `#t` ...)."""
    match = RANDOM.choice(list(BOOLEAN.finditer(value)))
    return _replace_match(value, match, _opposite_boolean(match[0]))


def _opposite_boolean(spelling: str) -> str:
    new = "false" if spelling.lower() in ("true", "#t") else "true"
    if spelling.startswith("#"):
        return f"#{new[0]}"
    return new.upper() if spelling.isupper() else new.capitalize() if spelling[0].isupper() else new


def _swap_two_matches(value: str, matches: list[re.Match[str]]) -> str | None:
    """Returns `value` with the texts of two neighboring, different `matches` in it swapped; None if all are equal."""
    pairs = [(a, b) for a, b in itertools.pairwise(matches) if a[0] != b[0]]
    if not pairs:
        return None
    first, second = RANDOM.choice(pairs)
    between = value[first.end() : second.start()]
    return value[: first.start()] + second[0] + between + first[0] + value[second.end() :]


def _swap_numbers(value: str, expected_values: Sequence[str]) -> str | None:
    """Returns the text of a value with two different numbers swapped; None if it has no two different numbers.

    `expected_values` is not used: all functions that change a value have the same parameters.
    """
    return _swap_two_matches(value, list(_find_numbers(value)))


def _swap_strings(value: str, expected_values: Sequence[str]) -> str | None:
    """Returns the text of a value with two different string literals swapped; None if it has no two different ones.

    `expected_values` is not used: all functions that change a value have the same parameters.
    """
    return None if KEY_VALUE_TABLE.search(value) else _swap_two_matches(value, list(STRING_LITERAL.finditer(value)))


def _swap_letters(value: str, expected_values: Sequence[str]) -> str | None:
    """Returns the text of a value with two different letters of a string literal swapped; None if there are none.

    `expected_values` is not used: all functions that change a value have the same parameters.
    """
    texts = [match for match in STRING_LITERAL.finditer(value) if _swap_two_matches(match[0], _find_letters(match[0]))]
    if not texts or KEY_VALUE_TABLE.search(value):
        return None
    match = RANDOM.choice(texts)
    changed = _swap_two_matches(match[0], _find_letters(match[0]))
    return _replace_match(value, match, changed) if changed else None


def _find_letters(text: str) -> list[re.Match[str]]:
    return [match for match in LETTER.finditer(text) if "\\" not in text[max(0, match.start() - 1) : match.start()]]


def _find_numbers(value: str) -> Iterator[re.Match[str]]:
    """Yields regex matches of the numbers in the text of a value.

    Numbers in string literals are skipped, unless the whole value is a string literal.
    """
    texts = (
        []
        if STRING_LITERAL.fullmatch(value.strip(" ()"))
        else [match.span() for match in STRING_LITERAL.finditer(value)]
    )
    for match in NUMBER.finditer(value):
        if not any(start <= match.start() < end for start, end in texts):
            yield match


def _replace_by_number_in_expected_range(value: str, expected_values: Sequence[str]) -> str | None:
    """Returns the text of a value with one number replaced by a random one in the range of the expected numbers.

    The range is that of the integers in `expected_values` if the number is an integer, otherwise that of the decimals.
    Returns None if the value has no number, or if `expected_values` have fewer than two different numbers of its kind.
    """
    return _change_one_number(value, lambda old: _random_number_in_expected_range(old, expected_values))


def _random_number_in_expected_range(old_number: str, expected_values: Sequence[str]) -> str | None:
    decimals = len(old_number.partition(".")[2])
    numbers = [match[0] for other in expected_values for match in _find_numbers(other)]
    alike = [round(float(number) * 10**decimals) for number in numbers if ("." in number) == ("." in old_number)]
    if len(set(alike)) < 2:
        return None
    return _format_decimal(RANDOM.randint(min(alike), max(alike)), decimals)


def _replace_by_nearby_number(value: str, expected_values: Sequence[str]) -> str | None:
    """Returns the text of a value with one number made slightly larger or smaller; None if it has no number.

    `expected_values` is not used: all functions that change a value have the same parameters.
    """
    return _change_one_number(value, _nearby_number)


def _nearby_number(number: str) -> str:
    decimals = len(number.partition(".")[2])
    whole = round(float(number) * 10**decimals)
    step = RANDOM.randint(1, max(9, whole // 4))
    return _format_decimal(whole - step if step <= whole and RANDOM.random() < 0.5 else whole + step, decimals)


def _format_decimal(scaled_number: int, decimals: int) -> str:
    scale: int = 10**decimals
    return f"{scaled_number / scale:.{decimals}f}" if decimals else str(scaled_number)


def _change_one_number(value: str, change: Callable[[str], str | None]) -> str | None:
    matches = list(_find_numbers(value))
    if not matches:
        return None
    match = RANDOM.choice(matches)
    changed = change(match[0])
    if changed is None:
        return None
    return _replace_match(value, match, changed)


def _replace_letter(value: str, expected_values: Sequence[str]) -> str | None:
    """Returns the text of a value with one letter of a string literal replaced by another letter of the same case.

    Uses a letter that occurs in `expected_values` if possible. Returns None if the value has no letter.
    """
    letters = [
        (text.start() + match.start(), match[0])
        for text in STRING_LITERAL.finditer(value)
        for match in _find_letters(text[0])
    ]
    if not letters:
        return None
    position, old = RANDOM.choice(letters)
    alphabet = {
        letter[0]
        for other in expected_values
        for text in STRING_LITERAL.finditer(other)
        for letter in _find_letters(text[0])
    }
    alphabet = {letter for letter in alphabet if letter.isupper() == str(old).isupper()} - {old}
    new = RANDOM.choice(sorted(alphabet) or ["x" if old != "x" else "y"])
    return value[:position] + new + value[position + 1 :]


def _replace_match(value: str, match: re.Match[str], replacement: str) -> str:
    return value[: match.start()] + replacement + value[match.end() :]


def normalize_literal(value: str) -> str:
    """Returns the source text of a value, normalized so that values that are equal in any language have equal texts.

    Ignores spaces, quotes, brackets, small numeric differences, and the spelling of booleans and null.
    """
    text = re.sub(r"""[\s()"']""", "", value.lower())
    text = re.sub(r"\btrue\b|#t\b", "1", re.sub(r"\bfalse\b|#f\b", "0", NULL.sub("null", text)))
    return re.sub(r"\d+(\.\d+)?", lambda match: f"{float(match[0]):.6g}", text)


def _are_unequal_values(value: str, other: str) -> bool:
    """Returns whether two values (source texts) are unequal even if small numeric differences are tolerated."""
    first, second = normalize_literal(value), normalize_literal(other)
    if first == second:
        return False
    if DIGITS.sub("0", first) != DIGITS.sub("0", second):
        return True
    pairs = zip(_parse_floats(first), _parse_floats(second), strict=True)
    return any(abs(a - b) > 0.01 + 1e-6 * max(a, b) for a, b in pairs)


def _may_be_equal_sets(value: str, other: str) -> bool:
    """Returns whether two values (source texts) may be sets with the same elements in a different order."""
    if not SET.match(value) or not SET.match(other):
        return False
    return sorted(re.findall(r"[^\s,{}()\[\]]+", value)) == sorted(re.findall(r"[^\s,{}()\[\]]+", other))


def _parse_floats(text: str) -> list[float]:
    return [float(match[0]) for match in DIGITS.finditer(text)]
