"""Names, phrases and random argument values for generated functions."""

import string
from collections.abc import Callable
from random import Random
from typing import Any

NUMBER_LIST_NAMES = (
    "numbers",
    "nums",
    "values",
    "lst",
    "arr",
    "items",
    "data",
    "xs",
    "scores",
    "l",
    "array",
    "elements",
)
STRING_NAMES = ("s", "text", "string", "message", "line", "txt", "phrase", "st", "source", "input_string")
SENTENCE_NAMES = ("sentence", "text", "s", "line", "message", "paragraph", "phrase")
WORD_LIST_NAMES = ("words", "strings", "names", "tokens", "items", "lst", "labels", "texts", "word_list")
INTEGER_NAMES = ("n", "number", "num", "value", "x", "k", "m")
DICT_NAMES = ("d", "mapping", "table", "counts", "scores", "prices", "data", "stock", "ages", "record")
GRID_NAMES = ("grid", "matrix", "rows", "table", "board", "m")
ELEMENT_NAMES = ("x", "n", "num", "value", "number", "item", "element", "v", "e")
CHARACTER_NAMES = ("c", "ch", "char", "letter", "character")
WORD_NAMES = ("word", "w", "name", "token", "item", "part")

COMMON_WORDS = [
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


def integer_sampler(low: int, high: int) -> Callable[[Random], int]:
    """Returns a function that draws random integers from `low` to `high`, both included."""
    return lambda random: random.randint(low, high)


def random_short_decimal(random: Random) -> float:
    """Returns a random float with a short, exact decimal form."""
    return random.choice((random.randint(-40, 120) / 4, random.randint(0, 100) / 10, float(random.randint(-5, 20))))


def list_sampler(
    sample_element: Callable[[Random], Any], min_length: int = 0, max_length: int = 7
) -> Callable[[Random], list[Any]]:
    """Returns a function that draws random lists of `min_length` to `max_length` values drawn by `sample_element`."""
    return lambda random: [sample_element(random) for _ in range(random.randint(min_length, max_length))]


def random_small_integer(random: Random) -> int:
    """Returns a random integer, mostly small, as is common in example calls."""
    return random.choice(
        (random.randint(0, 9), random.randint(-9, 20), random.randint(1, 50), random.randint(-30, 100))
    )


def random_small_positive_integer(random: Random) -> int:
    """Returns a random small positive integer; repeated values are frequent."""
    return random.choice((random.randint(1, 5), random.randint(1, 12), random.randint(1, 30)))


def random_word(random: Random) -> str:
    """Returns a random word, sometimes in unusual case or made of random letters."""
    chosen = random.choice(COMMON_WORDS)
    roll = random.random()
    if roll < 0.12:
        return chosen.upper()
    if roll < 0.25:
        return chosen.capitalize()
    if roll < 0.33:
        return "".join(random.choice("abcxyz") for _ in range(random.randint(1, 5)))
    return chosen


def random_sentence(random: Random) -> str:
    """Returns random words separated by spaces, sometimes none."""
    if random.random() < 0.06:
        return ""
    return " ".join(random_word(random) for _ in range(random.randint(1, 5)))


def random_text(random: Random) -> str:
    """Returns a random string: words, mixed characters or digits."""
    roll = random.random()
    if roll < 0.07:
        return ""
    if roll < 0.4:
        return random_word(random)
    if roll < 0.6:
        return random_sentence(random)
    pool = random.choice(("abcde", "aAbBcC", "abc123", string.ascii_letters, "a1 b2!C", "xyzXYZ09"))
    return "".join(random.choice(pool) for _ in range(random.randint(1, 9)))


def random_letter(random: Random) -> str:
    """Returns a random letter that is common in words."""
    return random.choice("aeiourstlnabcxyz")


def random_word_fragment(random: Random) -> str:
    """Returns a random short string that is a frequent prefix, suffix or substring of words."""
    return random.choice(["a", "b", "c", "r", "s", "t", "e", "th", "ca", "an", "er", "ap", "in", "ma", "b", "re", "st"])


def add_indefinite_article(noun: str) -> str:
    """Returns the noun with its indefinite article, a or an."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def make_request_sentence(random: Random, input_phrase: str, result_phrase: str) -> str:
    """Returns a random sentence that asks for a function with this result; it may also name the function's input.

    `input_phrase` and `result_phrase` are noun phrases.
    """
    roll = random.random()
    if roll < 0.5:
        return f"{random.choice(VERBS)} {result_phrase}."
    if roll < 0.68:
        return f"Given {input_phrase}, {random.choice(('return', 'return', 'find', 'compute'))} {result_phrase}."
    if roll < 0.78:
        verb = random.choice(("Return", "Your task is to return", "Find"))
        return f"You are given {input_phrase}. {verb} {result_phrase}."
    if roll < 0.86:
        return f"Write a function that takes {input_phrase} and returns {result_phrase}."
    if roll < 0.93:
        return f"This function takes {input_phrase} as input and should return {result_phrase}."
    return f"For {input_phrase}, return {result_phrase}."
