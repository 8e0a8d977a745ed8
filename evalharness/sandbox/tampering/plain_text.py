"""Recognizes harmless programs of C-like languages: their words show that they can do nothing but compute.

A program is harmless if each of its words is on a list: keywords, types, functions and members of the language's
library (`harmless` in `sandboxes/*/language.yaml`), and names made of common words, such as `max_count`. It may call
only listed functions and those that it defines itself. The text is read once, token by token, in linear time.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from evalharness.sandbox.languages import ComputeOnlyRules, Language
from evalharness.sandbox.tampering.common_words import COMMON_WORDS

MAX_PROGRAM_CHARACTERS = 64 << 10
"""Most characters of a program; a longer one is not recognized as harmless (compute-only)."""
TOKEN = re.compile(
    r"""(?P<space>\s++)|(?P<comment>//[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?)"""
    r"""|(?P<text>"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.)*+'?)"""
    r"""|(?P<number>\d[\w.]*+)|(?P<word>\$?[A-Za-z_]\w*+)|(?P<sign>->|::|\?\.|=>|===?|!==?|[-+*/%<>=!&|^~?:;,.(){}\[\]])"""
)
WORD_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|_+")
MEMBER_OPERATORS = frozenset({".", "->", "::", "?."})
NON_TYPE_WORDS = frozenset({"new", "return", "else", "case", "throw", "in", "of", "delete"})
"""Words after which a name and a bracket are a call, not a function's definition."""
MAX_BRACKET_DISTANCE = 60
"""Most tokens of a list of parameters or captures."""
BRACKETS = {")": "(", "]": "["}


WORD = re.compile(r"\$?\w+")
STRING_LITERAL = re.compile(r"""\"(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+'""")
CALL = re.compile(r"(\w+)\s*\(")


class SourceToken(NamedTuple):
    """A token (word, number, sign ...) of a program's source; `kind` is its group in the regular expression `TOKEN`."""

    kind: str
    text: str


def c_like_source_can_only_compute(source: str, language: Language, given_code: str = "", tests: str = "") -> bool:
    """Returns whether the words of a program in a C-like language show that the program can only compute.

    Returns False for languages without word lists. `source` continues `given_code`, the code that the problem gives,
    whose last line names the function to define. `tests` follow the program, which may not use names that occur in
    them.
    """
    rules = language.harmless
    if rules is None or len(source) > MAX_PROGRAM_CHARACTERS or any(part in source for part in rules.never.split()):
        return False
    tokens = _tokenize(source)
    own = CALL.findall(given_code.rstrip().rpartition("\n")[2])
    return tokens is not None and _SourceTokenChecker(tokens, rules, own, tests).are_all_allowed()


def _tokenize(source: str) -> list[SourceToken] | None:
    """Returns a program's tokens without spaces and comments.

    Returns None for unknown characters, and for a string literal or comment that does not end.
    """
    tokens, position = [], 0
    while position < len(source):
        match = TOKEN.match(source, position)
        if not match:
            return None
        kind, text = str(match.lastgroup), match[0]
        position = match.end()
        if (kind == "comment" and text.startswith("/*") and not text.endswith("*/")) or (
            kind == "text" and (len(text) < 2 or text[-1] != text[0])
        ):
            return None
        if kind not in ("space", "comment"):
            tokens.append(SourceToken(kind, text))
    return tokens


class _SourceTokenChecker:
    """Checks whether each token of a program is allowed in a harmless program, which can only compute."""

    def __init__(
        self, tokens: Sequence[SourceToken], rules: ComputeOnlyRules, own_functions: Sequence[str], tests: str
    ):
        end = [SourceToken("end", "")] * 3
        self.tokens, self.rules = [*end, *tokens, *end], rules
        self.inner = range(len(end), len(end) + len(tokens))
        self.library = frozenset(rules.library.split())
        self.owners = frozenset(rules.owners.split())
        self.reserved = set(WORD.findall(STRING_LITERAL.sub('""', tests))) - self.library - set(own_functions)
        defined = {self.tokens[index].text for index in self.inner if self._is_defined_function_name(index)}
        self.defined = defined | set(own_functions)

    def are_all_allowed(self) -> bool:
        """Returns whether all tokens of the program are allowed, so that the program can only compute."""
        return all(map(self._is_allowed_token, self.inner))

    def _token_text(self, index: int) -> str:
        return self.tokens[index].text

    def _is_defined_function_name(self, index: int) -> bool:
        """Returns whether the token at `index` is the function's name in a function definition."""
        if self.tokens[index].kind != "word":
            return False
        before = self.tokens[index - 1]
        if self._token_text(index + 1) == "(":
            if before.text == "function":
                return True
            is_type = before.kind == "word" and before.text not in NON_TYPE_WORDS
            return self.rules.typed and (is_type or before.text in (">", "]"))
        return self._token_text(index + 1) == "=" and self._begins_anonymous_function(index + 2)

    def _begins_anonymous_function(self, index: int) -> bool:
        """Returns whether an anonymous function begins at the token `index`."""
        first = self._token_text(index)
        if first == "function" or self._token_text(index + 1) == "=>":
            return True
        if first == "[" and self.rules.lambdas:
            return True
        end = self._closing_bracket_index(index) if first == "(" else 0
        return bool(end) and self._token_text(end + 1) in ("=>", ":")

    def _closing_bracket_index(self, index: int) -> int:
        """Returns the index of the token that closes the bracket at `index`; 0 if it is too far away.

        Only the next `MAX_BRACKET_DISTANCE` tokens are searched.
        """
        depth = 0
        for position in range(index, min(index + MAX_BRACKET_DISTANCE, len(self.tokens))):
            depth += (self._token_text(position) in BRACKETS.values()) - (self._token_text(position) in BRACKETS)
            if not depth:
                return position
        return 0

    def _ends_lambda_captures(self, index: int) -> bool:
        """Returns whether the token at `index` is the square bracket that ends a lambda's captures, as in C++."""
        if self._token_text(index) != "]":
            return False
        for position in range(index, max(index - MAX_BRACKET_DISTANCE, 0), -1):
            if self._token_text(position) == "[":
                return self.rules.lambdas and self._token_text(position - 1) in ("=", "(", ",", "return", "{")
        return False

    def _ends_type_cast(self, index: int) -> bool:
        """Returns whether the token at `index` is the bracket that ends a type cast, such as `(int)`."""
        is_type = self._token_text(index - 1) in self.library and self._token_text(index - 2) == "("
        return self.rules.typed and self._token_text(index) == ")" and is_type

    def _is_allowed_token(self, index: int) -> bool:
        token, before, after = self.tokens[index], self._token_text(index - 1), self._token_text(index + 1)
        if token.kind == "text":
            return not any(mark in token.text for mark in self.rules.never_in_texts.split())
        if token.text == "(":  # what is called must have a name
            return (
                before not in (")", "]", "}")
                or self._ends_lambda_captures(index - 1)
                or self._ends_type_cast(index - 1)
            )
        if token.kind != "word":
            return True
        if token.text.startswith("$"):
            return after not in ("(", "::")
        return self._is_allowed_word(token.text, before in MEMBER_OPERATORS, after)

    def _is_allowed_word(self, word: str, is_member: bool, next_token: str) -> bool:
        if word in self.owners and not self.rules.typed and next_token not in (".", "(", "<", ">"):
            return False  # the object itself, whose functions could be replaced
        if word in self.reserved and not is_member:
            return False
        if word in self.library:
            return not (is_member and next_token == "=" and not self.rules.typed)
        if next_token == "(":
            return word in self.defined and not is_member
        return _consists_of_common_words(word)


def _consists_of_common_words(name: str) -> bool:
    """Returns whether a name consists of common words, digits and underscores."""
    parts = WORD_PART.findall(name)
    known = all(part.isdigit() or part.startswith("_") or part.lower() in COMMON_WORDS for part in parts)
    return known and "".join(parts) == name and not name.startswith("__")
