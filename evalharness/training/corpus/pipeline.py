"""Functions that run over a sequence: which elements, what becomes of each, and what all sum up to.

Any source, condition, change and fold that fit together make a function, so there are hundreds of thousands.
"""

import re
from dataclasses import dataclass
from random import Random

from evalharness.training.corpus.filling import extras, negated, predicate, put
from evalharness.training.corpus.folds import FOLDS, TYPES, Fold
from evalharness.training.corpus.function import Function, Param
from evalharness.training.corpus.pieces import CHANGES, CONDITIONS, Change, Condition
from evalharness.training.corpus.sources import SOURCES, Source
from evalharness.training.corpus.words import CHARACTERS, ELEMENTS, WORDS, opening

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
class Parts:
    """What a function is put together from, with all names filled in."""

    loops: tuple[str, ...]
    test: str
    element: str
    x: str
    sequence: str
    seq: str
    """The expression of the sequence itself, where elements are neither chosen nor changed."""

    @property
    def generator(self) -> str:
        return f"{self.element} {self.over_chosen}"

    @property
    def over(self) -> str:
        return " ".join(self.loops)

    @property
    def over_chosen(self) -> str:
        return self.over + (f" if {self.test}" if self.test else "")


def make(random: Random) -> Function:
    """A function of a random source, condition, change and fold. Raises LookupError where they do not fit."""
    source = random.choice(SOURCES)
    condition = (
        random.choice([c for c in CONDITIONS if _fits(c.takes, source.element)]) if random.random() < 0.75 else None
    )
    change: Change | None = None
    if source.element in ("item", "entry", "pair") or random.random() < 0.5:
        change = random.choice([c for c in CHANGES if _fits(c.takes, source.element)])
    kind = source.element if change is None or change.gives == "same" else change.gives
    fold = random.choice([fold for fold in FOLDS if _sums_up(fold, kind, condition, change)])
    if fold.plain:
        change = None
    return _assemble(random, source, condition, change, fold)


def _fits(takes: str, element: str) -> bool:
    return takes == element or (takes == "num" and element in ("int", "float"))


def _sums_up(fold: Fold, kind: str, condition: Condition | None, change: Change | None) -> bool:
    """Whether the fold makes sense for elements of this kind."""
    if fold.plain:
        return condition is not None
    if kind not in fold.takes or (fold.filtered and condition is None):
        return False
    return condition is not None or change is not None or "list" not in fold.names


def _assemble(
    random: Random, source: Source, condition: Condition | None, change: Change | None, fold: Fold
) -> Function:
    names = random.sample(source.names, len(source.params))
    taken = set(names)
    pattern = random.choice(
        PATTERNS.get(source.element) or {"char": CHARACTERS, "word": WORDS}.get(source.element, ELEMENTS)
    )
    while taken & set(pattern.split(", ")):
        pattern = random.choice(PATTERNS.get(source.element) or ("item", "element", "e"))
    x, _, y = pattern.partition(", ")
    taken |= {x, y}
    that = random.choice(condition.that) if condition else ""
    test = random.choice(condition.code) if condition else ""
    code = random.choice(change.code) if change else "{x}" if not y else "{y}"
    of = random.choice(change.of) if change else "{np}"
    fold_text = random.choice(fold.text)
    fold_code = random.choice(fold.code) if fold.code else ""
    values, params = extras(random, (that, test, of, code, fold_text, fold_code), taken)
    params = [Param(n, t, s) for n, (t, s) in zip(names, source.params, strict=True)] + params
    values |= {"x": x, "y": y, "p": names[0], "q": names[-1], "pattern": pattern}
    wanted, noun = _wanted(random, source, condition, that, of, fold, fold_text, values)
    tests = [put(t, values) for t in (source.test, test) if t]
    parts = Parts(
        loops=tuple(put(loop, values) for loop in source.loops),
        test=" and ".join(f"({t})" if " or " in t and len(tests) > 1 else t for t in tests),
        element=put(code, values),
        x=x,
        sequence=put(source.sequence, values),
        seq=put(source.sequence, values)
        if not condition and not change and not source.test and not y and len(source.loops) == 1
        else "",
    )
    styles = _styles(random, parts, fold, fold_code, values, taken)
    body = random.choice(styles)
    twin = random.choice(styles)
    text = opening(random, put(random.choice(source.given), values), wanted)
    if fold.note and random.random() < 0.8:
        text += " " + random.choice(fold.note)
    elif fold.note and fold.names[0] not in ("product",):
        text += " " + fold.note[0]
    imports = ["from collections import Counter"] * ("Counter(" in body + twin) + ["import math"] * (
        "math." in body + twin
    )
    return Function(
        family="pipeline-" + source.name,
        name=_name(random, fold, change, condition, noun),
        params=tuple(params),
        returns=_returns(source, change, fold),
        text=text,
        body=body,
        imports=tuple(imports),
        twin=twin if twin != body else "",
    )


def _wanted(
    random: Random, source: Source, condition: Condition | None, that: str, of: str, fold: Fold, fold_text: str,
    values: dict[str, str],
) -> tuple[str, str]:  # fmt: skip
    """What is to be returned, as a noun phrase or a clause; and the noun of the elements."""
    noun = random.choice(source.nouns)
    context = put(random.choice(source.contexts), values)
    adjective = condition.adjective if condition and condition.adjective and random.random() < 0.6 else ""
    clause = "" if adjective else put(that, values)
    bare = " ".join(word for word in (adjective, noun, context, clause) if word)
    if "all" in fold.takes or "any" in fold.takes:
        said = predicate(put(that, values))
        if said is None:
            raise LookupError("the condition cannot be said of all")
        wanted = random.choice(ALL if "all" in fold.takes else SOME)
        single = "is" + said.removeprefix("are") if said.startswith("are") else said
        return put(wanted, {"n": noun, "c": context, "s": said, "s1": single}), noun
    phrase = put(of, {**values, "np": f"the {bare}", "np_bare": bare})
    whole = put(fold_text, {**values, "np": phrase, "np_bare": bare, "np_all": phrase.removeprefix("the ")})
    return whole, noun


def _styles(random: Random, parts: Parts, fold: Fold, code: str, values: dict[str, str], taken: set[str]) -> list[str]:
    """Bodies that do the same: an expression, a loop, steps."""
    free = [name for name in fold.accumulators if name not in taken] or ["outcome"]
    acc = random.choice(free)
    filled = {**values, "m": parts.element, "acc": acc, "gen": parts.generator, "test": parts.test, "over": parts.over}
    filled["bare"] = parts.over_chosen
    styles: list[str] = []
    if "any" in fold.takes or "all" in fold.takes:
        wants_all = "all" in fold.takes
        found = negated(parts.test) if wants_all else parts.test
        loop = _loop(parts.loops, found, f"return {not wants_all}")
        return [f"return {put(code, filled)}", f"{loop}\nreturn {wants_all}"]
    if fold.gives == "first":
        return [
            f"return {put(code, filled)}",
            _loop(parts.loops, parts.test, f"return {parts.element}") + "\nreturn None",
        ]
    if parts.seq and fold.alone:
        styles += [f"return {put(random.choice(fold.alone), {**filled, 'seq': parts.seq})}"] * 2
    elif code and fold.gives != "last":
        expression = put(code, filled)
        if f"max(({parts.generator}), default" not in expression or random.random() < 0.3:
            styles += [f"return {expression}"]
        if len(expression) > 30 and random.random() < 0.4:
            styles += [f"{acc} = {expression}\nreturn {acc}"]
    if fold.start:
        inner = (
            f"({parts.element})"
            if " if " in parts.element and re.search(r"(?:if|or) \{m|\{m\} [+>]|\[\{m", fold.update)
            else parts.element
        )
        update = put(fold.update, {**filled, "m": inner})
        styles += [
            put(fold.start, filled)
            + "\n"
            + _loop(parts.loops, parts.test, update)
            + f"\nreturn {put(fold.end, filled)}"
        ] * 2
    if parts.test and fold.alone and not fold.plain and len(parts.loops) == 1 and not values["y"]:
        kept = next(name for name in ("kept", "chosen", "selected", "filtered") if name not in taken)
        if parts.element == parts.x:
            last = put(random.choice(fold.alone), {**filled, "seq": kept})
            styles += [f"{kept} = [{parts.x} {parts.over_chosen}]\nreturn {last}".replace(f"list({kept})", kept)]
        else:
            changed = next(name for name in ("changed", "results", "mapped") if name not in taken)
            last = put(random.choice(fold.alone), {**filled, "seq": changed})
            styles += [f"{changed} = [{parts.generator}]\nreturn {last}".replace(f"list({changed})", changed)]
    if not styles:
        raise LookupError("no way to write it")
    return styles


def _loop(loops: tuple[str, ...], test: str, inner: str) -> str:
    lines, depth = [], 0
    for loop in loops:
        lines.append("    " * depth + loop + ":")
        depth += 1
    if test:
        lines.append("    " * depth + f"if {test}:")
        depth += 1
    lines += ["    " * depth + line for line in inner.split("\n")]
    return "\n".join(lines)


def _name(random: Random, fold: Fold, change: Change | None, condition: Condition | None, noun: str) -> str:
    pieces = [random.choice(fold.names)]
    if change:
        pieces.append(random.choice(change.names))
    if condition:
        pieces.append(random.choice(condition.names))
    if random.random() < 0.5 or len(pieces) == 1:
        pieces.append(noun.split()[-1])
    if len(pieces) > 3 and random.random() < 0.6:
        del pieces[random.randrange(1, len(pieces) - 1)]
    return "_".join(dict.fromkeys(pieces))


def _returns(source: Source, change: Change | None, fold: Fold) -> str:
    kind = source.element if change is None or change.gives == "same" else change.gives
    base = TYPES.get(kind, "int")
    if fold.gives == "same":
        return base
    if fold.gives in ("List", "Dict"):
        return f"List[{base}]" if fold.gives == "List" else f"Dict[{base}, int]"
    return f"Optional[{base}]" if fold.gives in ("first", "last") else fold.gives
