"""Names and phrases that generated functions are told in, and values to try them on."""

import string
from collections.abc import Callable
from random import Random
from typing import Any

NUMBER_LISTS = ("numbers", "nums", "values", "lst", "arr", "items", "data", "xs", "scores", "l", "array", "elements")
STRINGS = ("s", "text", "string", "message", "line", "txt", "phrase", "st", "source", "input_string")
SENTENCES = ("sentence", "text", "s", "line", "message", "paragraph", "phrase")
WORD_LISTS = ("words", "strings", "names", "tokens", "items", "lst", "labels", "texts", "word_list")
INTEGERS = ("n", "number", "num", "value", "x", "k", "m")
DICTS = ("d", "mapping", "table", "counts", "scores", "prices", "data", "stock", "ages", "record")
GRIDS = ("grid", "matrix", "rows", "table", "board", "m")
ELEMENTS = ("x", "n", "num", "value", "number", "item", "element", "v", "e")
CHARACTERS = ("c", "ch", "char", "letter", "character")
WORDS = ("word", "w", "name", "token", "item", "part")

VOCABULARY = [
    "apple",
    "river",
    "stone",
    "cloud",
    "green",
    "table",
    "music",
    "orange",
    "silver",
    "garden",
    "window",
    "yellow",
    "paper",
    "basket",
    "level",
    "kayak",
    "noon",
    "radar",
    "tiger",
    "monkey",
    "piano",
    "coffee",
    "bread",
    "cherry",
    "planet",
    "winter",
    "summer",
    "forest",
    "harbor",
    "bottle",
    "candle",
    "pencil",
    "ticket",
    "market",
    "engine",
    "rocket",
    "camera",
    "button",
    "letter",
    "number",
    "ladder",
    "pepper",
    "mirror",
    "castle",
    "desert",
    "island",
    "valley",
    "meadow",
    "anchor",
    "beacon",
    "cat",
    "dog",
    "sun",
    "sky",
    "red",
    "blue",
    "fox",
    "owl",
    "bee",
    "ant",
    "tea",
    "ice",
    "map",
    "key",
    "box",
    "cup",
    "hat",
    "pen",
    "bus",
    "car",
    "egg",
    "fish",
    "bird",
    "lamp",
    "door",
    "wall",
    "ship",
    "alpha",
    "beta",
    "gamma",
    "delta",
    "kilo",
    "lima",
    "echo",
    "hello",
    "world",
    "python",
    "code",
    "data",
    "loop",
    "test",
    "case",
    "a",
    "an",
    "the",
    "of",
    "to",
    "in",
    "is",
    "it",
    "on",
    "at",
    "we",
    "Anna",
    "Bob",
    "Carla",
    "David",
    "Emma",
    "Frank",
    "Grace",
    "Henry",
    "Iris",
    "Jack",
    "Paris",
    "London",
    "Rome",
    "Berlin",
    "Madrid",
    "Oslo",
]
VERBS = ("Return", "Return", "Return", "Return", "Compute", "Calculate", "Find", "Determine", "Get")


def integer(low: int, high: int) -> Callable[[Random], int]:
    """Draws integers, both ends included."""
    return lambda random: random.randint(low, high)


def quarter(random: Random) -> float:
    """A float with a short exact decimal form."""
    return random.choice((random.randint(-40, 120) / 4, random.randint(0, 100) / 10, float(random.randint(-5, 20))))


def list_of(sample: Callable[[Random], Any], low: int = 0, high: int = 7) -> Callable[[Random], list[Any]]:
    """Draws lists of `low` to `high` such values."""
    return lambda random: [sample(random) for _ in range(random.randint(low, high))]


def small(random: Random) -> int:
    """An integer as examples have them."""
    return random.choice(
        (random.randint(0, 9), random.randint(-9, 20), random.randint(1, 50), random.randint(-30, 100))
    )


def plain(random: Random) -> int:
    """A small positive integer, often repeated."""
    return random.choice((random.randint(1, 5), random.randint(1, 12), random.randint(1, 30)))


def word(random: Random) -> str:
    """A word, now and then odd."""
    chosen = random.choice(VOCABULARY)
    roll = random.random()
    if roll < 0.12:
        return chosen.upper()
    if roll < 0.25:
        return chosen.capitalize()
    if roll < 0.33:
        return "".join(random.choice("abcxyz") for _ in range(random.randint(1, 5)))
    return chosen


def sentence(random: Random) -> str:
    """Some words with spaces between them, empty now and then."""
    if random.random() < 0.06:
        return ""
    return " ".join(word(random) for _ in range(random.randint(1, 5)))


def text(random: Random) -> str:
    """A string of any kind: words, mixed characters, digits."""
    roll = random.random()
    if roll < 0.07:
        return ""
    if roll < 0.4:
        return word(random)
    if roll < 0.6:
        return sentence(random)
    pool = random.choice(("abcde", "aAbBcC", "abc123", string.ascii_letters, "a1 b2!C", "xyzXYZ09"))
    return "".join(random.choice(pool) for _ in range(random.randint(1, 9)))


def letter(random: Random) -> str:
    """A common letter."""
    return random.choice("aeiourstlnabcxyz")


def fragment(random: Random) -> str:
    """A short prefix, suffix or substring that words often have."""
    return random.choice(["a", "b", "c", "r", "s", "t", "e", "th", "ca", "an", "er", "ap", "in", "ma", "b", "re", "st"])


def article(noun: str) -> str:
    """The noun with a or an before it."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def opening(random: Random, given: str, wanted: str) -> str:
    """A sentence that asks for `wanted` (beginning with `the` or `a`), now and then beginning with what is given."""
    roll = random.random()
    if roll < 0.5:
        return f"{random.choice(VERBS)} {wanted}."
    if roll < 0.68:
        return f"Given {given}, {random.choice(('return', 'return', 'find', 'compute'))} {wanted}."
    if roll < 0.78:
        return f"You are given {given}. {random.choice(('Return', 'Your task is to return', 'Find'))} {wanted}."
    if roll < 0.86:
        return f"Write a function that takes {given} and returns {wanted}."
    if roll < 0.93:
        return f"This function takes {given} as input and should return {wanted}."
    return f"For {given}, return {wanted}."
