"""Lists: selection, sorting by keys, pairs of lists, searching, positions."""

from evalharness.training.corpus.generated import vocabulary as vocab
from evalharness.training.corpus.generated.template import FunctionTemplate

XS = ("xs", vocab.NUMBER_LIST_NAMES, "List[int]", vocab.list_sampler(vocab.random_small_integer, 1))
EMPTY = ("xs", vocab.NUMBER_LIST_NAMES, "List[int]", vocab.list_sampler(vocab.random_small_integer, 0, 7))
FEW = ("xs", vocab.NUMBER_LIST_NAMES, "List[int]", vocab.list_sampler(vocab.integer_sampler(0, 6), 0, 8))
WORDS = ("ws", vocab.WORD_LIST_NAMES, "List[str]", vocab.list_sampler(vocab.random_word, 0, 5))
GIVEN = ("a list of integers", "a list of integers {xs}", "a list of numbers {xs}")
WGIVEN = ("a list of strings", "a list of words {ws}")
A = ("a", ("a", "xs", "first", "l1", "list1"), "List[int]", vocab.list_sampler(vocab.integer_sampler(0, 9), 0, 6))
B = ("b", ("b", "ys", "second", "l2", "list2"), "List[int]", vocab.list_sampler(vocab.integer_sampler(0, 9), 0, 6))
TWO = ("two lists of integers", "two lists {a} and {b}")
ACC = ("result", "res", "out", "output")
X = ("x", "n", "num", "value", "item", "e")
KEYS = (
    {"text": "their absolute value", "name": "absolute", "code": "abs({x})"}, {"text": "their last digit", "name": "last_digit", "code": "abs({x}) % 10"},
    {"text": "the sum of their digits", "name": "digit_sum", "code": "sum(int(d) for d in str(abs({x})))"}, {"text": "their distance from {target}", "name": "distance", "code": "abs({x} - {target})"},
    {"text": "their remainder when divided by {divisor}", "name": "remainder", "code": "{x} % {divisor}"}, {"text": "the number of their digits", "name": "digits", "code": "len(str(abs({x})))"},
    {"text": "their square", "name": "square", "code": "{x} ** 2"},
)
WKEYS = (
    {"text": "their length", "name": "length", "code": "len({x})", "plain": "len"}, {"text": "their last character", "name": "last", "code": "{x}[-1]"},
    {"text": "the number of vowels in them", "name": "vowels", "code": "sum(c in 'aeiou' for c in {x}.lower())"}, {"text": "their text in lower case", "name": "lower", "code": "{x}.lower()"},
    {"text": "the number of times {char} occurs in them", "name": "char", "code": "{x}.count({char})"}, {"text": "their reversed text", "name": "reversed", "code": "{x}[::-1]"},
    {"text": "the number of distinct characters in them", "name": "distinct", "code": "len(set({x}))"},
)

TEMPLATES = (
    FunctionTemplate(("sort_by_{key.name}", "order_by_{key.name}"), (EMPTY,), "List[int]",
        ("return sorted({xs}, key=lambda {x}: {key.code}{o.code})",), GIVEN, ("the list sorted by {key.text}{o.text}", "a new list of the numbers ordered by {key.text}{o.text}"),
        notes=("Elements with the same key stay in their original order.", "Ties keep the order of the list."),
        slots={"x": X, "key": KEYS, "o": ({"text": "", "code": ""}, {"text": ", largest first", "code": ", reverse=True"})}, weight=2),
    FunctionTemplate(("sort_words_by_{key.name}", "order_by_{key.name}"), (WORDS,), "List[str]",
        ("return sorted({ws}, key=lambda {x}: {key.code}{o.code})",), WGIVEN, ("the strings sorted by {key.text}{o.text}", "a new list of the words ordered by {key.text}{o.text}"),
        notes=("Words with the same key stay in their original order.",),
        slots={"x": vocab.WORD_NAMES, "key": WKEYS, "o": ({"text": "", "code": ""}, {"text": " in descending order", "code": ", reverse=True"})}, weight=2),
    FunctionTemplate(("sort_by_{key.name}_then_value", "sort_numbers"), (EMPTY,), "List[int]",
        ("return sorted({xs}, key=lambda {x}: ({key.code}, {o.code}))",), GIVEN, ("the list sorted by {key.text}, and among equals {o.text}",),
        slots={"x": X, "key": KEYS, "o": ({"text": "by value", "code": "{x}"}, {"text": "by value from large to small", "code": "-{x}"})}),
    FunctionTemplate(("sort_words", "sort_by_{key.name}_then_text"), (WORDS,), "List[str]",
        ("return sorted({ws}, key=lambda {x}: ({key.code}, {x}))",), WGIVEN, ("the strings sorted by {key.text}, and among equals alphabetically",), slots={"x": vocab.WORD_NAMES, "key": WKEYS[:1] + WKEYS[2:5]}),
    FunctionTemplate(("{m.name}_by_{key.name}", "{m.name}_{key.name}"), (XS,), "int",
        ("return {m.code}({xs}, key=lambda {x}: {key.code})", "{acc} = {xs}[0]\nfor {x} in {xs}:\n    if {key.code} {m.sign} {key.acc}:\n        {acc} = {x}\nreturn {acc}"),
        ("a non-empty list of integers", "a non-empty list of integers {xs}"), ("the element for which {key.text1} is {m.text}", "the number with the {m.text} {key.noun}"), notes=("If there are several, return the first of them.",),
        slots={"acc": ("best", "result", "found"), "x": X, "m": ({"name": "largest", "text": "largest", "code": "max", "sign": ">"}, {"name": "smallest", "text": "smallest", "code": "min", "sign": "<"}),
               "key": ({"name": "absolute", "text1": "the absolute value", "noun": "absolute value", "code": "abs({x})", "acc": "abs({acc})"}, {"name": "last_digit", "text1": "the last digit", "noun": "last digit", "code": "abs({x}) % 10", "acc": "abs({acc}) % 10"},
                       {"name": "distance", "text1": "the distance from {target}", "noun": "distance from {target}", "code": "abs({x} - {target})", "acc": "abs({acc} - {target})"},
                       {"name": "remainder", "text1": "the remainder when divided by {divisor}", "noun": "remainder when divided by {divisor}", "code": "{x} % {divisor}", "acc": "{acc} % {divisor}"})}),
    FunctionTemplate(("{op.name}", "find_{op.name}", "get_{op.name}"), (A, B), "List[int]",
        ("return [{x} for {x} in {a} if {op.code}]", "{acc} = []\nfor {x} in {a}:\n    if {op.code}:\n        {acc}.append({x})\nreturn {acc}"),
        TWO, ("a list of the elements of {a} that are {op.text}", "the elements of the first list that are {op.text}, in their order"),
        slots={"acc": ACC, "x": X, "op": ({"name": "common", "text": "also in {b}", "code": "{x} in {b}"}, {"name": "missing", "text": "not in {b}", "code": "{x} not in {b}"},
               {"name": "repeated_in_other", "text": "at least twice in {b}", "code": "{b}.count({x}) >= 2"}, {"name": "above_all", "text": "greater than every element of {b}", "code": "all({x} > other for other in {b})"},
               {"name": "below_some", "text": "less than some element of {b}", "code": "any({x} < other for other in {b})"})}),
    FunctionTemplate(("{op.name}_sorted", "sorted_{op.name}"), (A, B), "List[int]", ("return sorted({op.code})", "{acc} = {op.code}\nreturn sorted({acc})"), TWO, ("a sorted list of the distinct numbers that {op.text}",),
        slots={"acc": ("found", "result"), "op": ({"name": "union", "text": "occur in at least one of the two lists", "code": "set({a}) | set({b})"}, {"name": "intersection", "text": "occur in both lists", "code": "set({a}) & set({b})"},
               {"name": "difference", "text": "occur in the first list but not in the second", "code": "set({a}) - set({b})"}, {"name": "exclusive", "text": "occur in exactly one of the two lists", "code": "set({a}) ^ set({b})"})}),
    FunctionTemplate(("interleave", "alternate", "merge_alternating", "weave"), (A, B), "List[int]",
        ("{acc} = []\nfor i in range(max(len({a}), len({b}))):\n    if i < len({a}):\n        {acc}.append({a}[i])\n    if i < len({b}):\n        {acc}.append({b}[i])\nreturn {acc}",),
        TWO, ("a list that takes elements from {a} and {b} in turn, beginning with {a}",), notes=("When one list is used up, the rest of the other one follows.",), slots={"acc": ACC}),
    FunctionTemplate(("merge_sorted", "merge", "combine_sorted"), (("a", ("a", "xs", "left"), "List[int]", lambda r: sorted(vocab.list_sampler(vocab.random_small_integer, 0, 5)(r))), ("b", ("b", "ys", "right"), "List[int]", lambda r: sorted(vocab.list_sampler(vocab.random_small_integer, 0, 5)(r)))), "List[int]",
        ("{acc} = []\ni = j = 0\nwhile i < len({a}) and j < len({b}):\n    if {a}[i] <= {b}[j]:\n        {acc}.append({a}[i])\n        i += 1\n    else:\n        {acc}.append({b}[j])\n        j += 1\nreturn {acc} + {a}[i:] + {b}[j:]",),
        ("two sorted lists", "two lists {a} and {b}, both in ascending order"), ("one sorted list of all their elements", "a single list with the elements of both in ascending order"), slots={"acc": ("merged", "result")}),
    FunctionTemplate(("count_pairs", "pairs_with_{t.name}", "number_of_pairs"), (FEW,), "int",
        ("{acc} = 0\nfor i in range(len({xs})):\n    for j in range(i + 1, len({xs})):\n        if {t.code}:\n            {acc} += 1\nreturn {acc}", "return sum(1 for i in range(len({xs})) for j in range(i + 1, len({xs})) if {t.code})"),
        GIVEN, ("the number of pairs of elements at different positions {t.text}", "how many pairs (i, j) with i < j there are {t.text}"),
        slots={"acc": ("count", "total", "pairs"), "t": ({"name": "sum", "text": "whose sum is {target}", "code": "{xs}[i] + {xs}[j] == {target}"}, {"name": "equal", "text": "with equal elements", "code": "{xs}[i] == {xs}[j]"},
               {"name": "difference", "text": "whose absolute difference is {amount}", "code": "abs({xs}[i] - {xs}[j]) == {amount}"}, {"name": "even_sum", "text": "whose sum is even", "code": "({xs}[i] + {xs}[j]) % 2 == 0"},
               {"name": "inversion", "text": "where the earlier element is greater than the later one", "code": "{xs}[i] > {xs}[j]"}, {"name": "divisible", "text": "whose product is divisible by {divisor}", "code": "{xs}[i] * {xs}[j] % {divisor} == 0"})}, weight=2),
    FunctionTemplate(("has_pair", "exists_pair_{t.name}", "any_pair"), (FEW,), "bool",
        ("for i in range(len({xs})):\n    for j in range(i + 1, len({xs})):\n        if {t.code}:\n            return True\nreturn False", "return any({t.code} for i in range(len({xs})) for j in range(i + 1, len({xs})))"),
        GIVEN, ("True if there are two elements at different positions {t.text}, otherwise False", "whether the list has two elements at different positions {t.text}"),
        slots={"t": ({"name": "sum", "text": "whose sum is {target}", "code": "{xs}[i] + {xs}[j] == {target}"}, {"name": "product", "text": "whose product is {amount}", "code": "{xs}[i] * {xs}[j] == {amount}"},
               {"name": "difference", "text": "that differ by exactly {amount}", "code": "abs({xs}[i] - {xs}[j]) == {amount}"}, {"name": "double", "text": "one of which is twice the other", "code": "{xs}[i] == 2 * {xs}[j] or {xs}[j] == 2 * {xs}[i]"})}),
    FunctionTemplate(("{nth.name}_{m.name}", "find_{nth.name}_{m.name}"), (EMPTY,), "Optional[int]",
        ("{acc} = sorted(set({xs}){m.rev})\nreturn {acc}[{nth.index}] if len({acc}) > {nth.index} else None", "{acc} = sorted(set({xs}){m.rev})\nif len({acc}) <= {nth.index}:\n    return None\nreturn {acc}[{nth.index}]"),
        GIVEN, ("the {nth.name} {m.name} of the distinct elements", "the {nth.name} {m.name} different value in the list"), notes=("Return None if there are not enough different values.",),
        slots={"acc": ("ordered", "distinct", "values_"), "nth": ({"name": "second", "index": "1"}, {"name": "third", "index": "2"}), "m": ({"name": "largest", "rev": ", reverse=True"}, {"name": "smallest", "rev": ""})}),
    FunctionTemplate(("index_of_{m.name}", "position_of_{m.name}", "{m.name}_index"), (EMPTY,), "int",
        ("if not {xs}:\n    return -1\nreturn {xs}.index({m.code}({xs}))", "{acc} = -1\nfor i, {x} in enumerate({xs}):\n    if {acc} == -1 or {x} {m.sign} {xs}[{acc}]:\n        {acc} = i\nreturn {acc}"),
        GIVEN, ("the index of the {m.name} element", "the position of the first occurrence of the {m.name} element"), notes=("For an empty list return -1.", "Return -1 if the list is empty."), slots={"x": X, "acc": ("best", "index", "found"), "m": ({"name": "largest", "code": "max", "sign": ">"}, {"name": "smallest", "code": "min", "sign": "<"})}),
    FunctionTemplate(("first_index", "index_of_first", "find_position"), (EMPTY,), "int",
        ("for i, {x} in enumerate({xs}):\n    if {t.code}:\n        return i\nreturn -1", "for i in range(len({xs})):\n    if {t.code2}:\n        return i\nreturn -1"),
        GIVEN, ("the index of the first element that is {t.text}", "the position of the first element that is {t.text}"), notes=("Return -1 if there is none.", "If no element is, return -1."),
        slots={"x": X, "t": [{"text": t, "code": c, "code2": c.replace("{x}", "{xs}[i]")} for t, c in (("even", "{x} % 2 == 0"), ("negative", "{x} < 0"), ("greater than {limit}", "{x} > {limit}"), ("divisible by {divisor}", "{x} % {divisor} == 0"), ("equal to {target}", "{x} == {target}"), ("less than {limit}", "{x} < {limit}"), ("odd", "{x} % 2 == 1"))]}),
    FunctionTemplate(("take_while", "leading_{t.name}", "take_{t.name}_prefix"), (EMPTY,), "List[int]",
        ("{acc} = []\nfor {x} in {xs}:\n    if not {t.p}:\n        break\n    {acc}.append({x})\nreturn {acc}",), GIVEN, ("the leading elements of the list, up to but not including the first one that is not {t.name2}", "the elements from the beginning of the list as long as they are {t.name2}"),
        slots={"x": X, "acc": ACC, "t": ({"name": "positive", "name2": "positive", "p": "{x} > 0"}, {"name": "even", "name2": "even", "p": "{x} % 2 == 0"}, {"name": "small", "name2": "less than {limit}", "p": "{x} < {limit}"}, {"name": "large", "name2": "greater than {limit}", "p": "{x} > {limit}"})}),
    FunctionTemplate(("stop_when_{m.name}", "sum_until"), (XS,), "int", ("{acc} = 0\nfor {x} in {xs}:\n    if {m.code}:\n        break\n    {acc} += {x}\nreturn {acc}",), GIVEN, ("the sum of the elements before the first one that is {m.text}",), notes=("If there is none, sum all elements.",),
        slots={"x": X, "acc": ("total", "result"), "m": ({"name": "negative", "text": "negative", "code": "{x} < 0"}, {"name": "zero", "text": "zero", "code": "{x} == 0"}, {"name": "large", "text": "greater than {limit}", "code": "{x} > {limit}"}, {"name": "odd", "text": "odd", "code": "{x} % 2 == 1"})}),
    FunctionTemplate(("replace_{t.name}", "change_{t.name}", "clean_{t.name}"), (EMPTY,), "List[int]", ("return [{r.code} if {t.code} else {x} for {x} in {xs}]", "{acc} = []\nfor {x} in {xs}:\n    if {t.code}:\n        {acc}.append({r.code})\n    else:\n        {acc}.append({x})\nreturn {acc}"),
        GIVEN, ("a new list in which every {t.text} number is replaced by {r.text}", "the list with each {t.text} number replaced by {r.text} and all others unchanged"),
        slots={"x": X, "acc": ACC, "t": ({"name": "negative", "text": "negative", "code": "{x} < 0"}, {"name": "even", "text": "even", "code": "{x} % 2 == 0"}, {"name": "odd", "text": "odd", "code": "{x} % 2 == 1"}, {"name": "positive", "text": "positive", "code": "{x} > 0"}),
               "r": ({"text": "0", "code": "0"}, {"text": "its square", "code": "{x} * {x}"}, {"text": "its opposite", "code": "-{x}"}, {"text": "its double", "code": "2 * {x}"}, {"text": "its absolute value", "code": "abs({x})"}, {"text": "its value plus {amount}", "code": "{x} + {amount}"})}, weight=2),
    FunctionTemplate(("partition_{t.name}", "split_{t.name}", "separate_{t.name}"), (EMPTY,), "Tuple[{k.type}, {k.type}]", ("{f} = [{x} for {x} in {xs} if {t.code}]\n{g} = [{x} for {x} in {xs} if not ({t.code})]\nreturn {k.code}", "{f}, {g} = [], []\nfor {x} in {xs}:\n    if {t.code}:\n        {f}.append({x})\n    else:\n        {g}.append({x})\nreturn {k.code}"),
        GIVEN, ("a tuple of {k.text} of the numbers that are {t.text} and {k.text} of all other numbers",), slots={"x": X, "f": ("first", "yes", "left"), "g": ("second", "no", "right"), "t": ({"name": "even", "text": "even", "code": "{x} % 2 == 0"}, {"name": "positive", "text": "positive", "code": "{x} > 0"}, {"name": "limit", "text": "greater than {limit}", "code": "{x} > {limit}"}, {"name": "divisible", "text": "divisible by {divisor}", "code": "{x} % {divisor} == 0"}),
               "k": ({"type": "List[int]", "text": "the list", "code": "({f}, {g})"}, {"type": "int", "text": "the number", "code": "(len({f}), len({g}))"}, {"type": "int", "text": "the sum", "code": "(sum({f}), sum({g}))"})}, weight=2),
    FunctionTemplate(("{op.name}_difference", "compare_{op.name}"), (EMPTY,), "int", ("return {op.f} - {op.g}", "{p} = {op.f}\n{q} = {op.g}\nreturn {p} - {q}"), GIVEN, ("the {op.text}",),
        slots={"p": ("first", "a", "left"), "q": ("second", "b", "right"), "op": ({"name": "even_odd", "text": "sum of the even numbers minus the sum of the odd numbers in the list", "f": "sum(x for x in {xs} if x % 2 == 0)", "g": "sum(x for x in {xs} if x % 2 == 1)"},
               {"name": "positions", "text": "sum of the elements at even positions minus the sum of those at odd positions", "f": "sum({xs}[::2])", "g": "sum({xs}[1::2])"}, {"name": "sign_count", "text": "number of positive elements minus the number of negative ones", "f": "sum(1 for x in {xs} if x > 0)", "g": "sum(1 for x in {xs} if x < 0)"},
               {"name": "halves", "text": "sum of the first half of the list minus the sum of the second half, a middle element belonging to the second half", "f": "sum({xs}[:len({xs}) // 2])", "g": "sum({xs}[len({xs}) // 2:])"}, {"name": "squares", "text": "square of the sum of the numbers minus the sum of their squares", "f": "sum({xs}) ** 2", "g": "sum(x ** 2 for x in {xs})"})}),
    FunctionTemplate(("most_{m.name}", "{m.name}_element", "most_{m.name}_value"), (("xs", vocab.NUMBER_LIST_NAMES, "List[int]", vocab.list_sampler(vocab.integer_sampler(0, 4), 1, 9)),), "int", ("{acc} = {{}}\nfor {x} in {xs}:\n    {acc}[{x}] = {acc}.get({x}, 0) + 1\nreturn {m.code}",), ("a non-empty list of integers", "a non-empty list of integers {xs}"), ("the {m.text} element of the list",), notes=("If several are equally so, return the {e.text} of them.",),
        slots={"acc": ("counts", "freq", "seen"), "x": X, "e": ({"text": "smallest", "key": "{y}"}, {"text": "largest", "key": "-{y}"}), "y": ("key", "v", "k"), "m": ({"name": "common", "text": "most frequent", "code": "min({acc}, key=lambda {y}: (-{acc}[{y}], {e.key}))"}, {"name": "rare", "text": "least frequent", "code": "min({acc}, key=lambda {y}: ({acc}[{y}], {e.key}))"})}),
    FunctionTemplate(("elements_{t.name}", "keep_{t.name}"), (FEW,), "List[int]", ("return [{x} for {x} in {xs} if {xs}.count({x}) {t.code}]", "{acc} = Counter({xs})\nreturn [{x} for {x} in {xs} if {acc}[{x}] {t.code}]"), GIVEN, ("the elements that occur {t.text} in the list, in their original order",), slots={"x": X, "acc": ("counts", "freq"), "t": ({"name": "once", "text": "exactly once", "code": "== 1"}, {"name": "repeated", "text": "more than once", "code": "> 1"}, {"name": "twice", "text": "exactly twice", "code": "== 2"})}, imports=("from collections import Counter",)),
    FunctionTemplate(("median", "middle_value", "find_median"), (XS,), "float", ("{acc} = sorted({xs})\nmid = len({acc}) // 2\nif len({acc}) % 2 == 1:\n    return float({acc}[mid])\nreturn ({acc}[mid - 1] + {acc}[mid]) / 2",), ("a non-empty list of integers", "a non-empty list {xs}"), ("the middle value of the sorted list, or the mean of the two middle ones",), slots={"acc": ("ordered", "s", "values_")}),
    FunctionTemplate(("{d.name}_every_{k}", "{d.name}_nth"), (EMPTY,), "List[int]", ("return [{x} for i, {x} in enumerate({xs}) if (i + 1) % {k} {d.code} 0]",), GIVEN, ("the list with only every {k}th element kept" , ) , slots={"x": X, "k": (4, 5, 6), "d": ({"name": "keep", "code": "=="},)}),
    FunctionTemplate(("rank_elements", "ranks", "order_of_elements"), (EMPTY,), "List[int]", ("return [sum(1 for {y} in {xs} if {y} {m.sign} {x}) for {x} in {xs}]", "{acc} = []\nfor {x} in {xs}:\n    {acc}.append(sum(1 for {y} in {xs} if {y} {m.sign} {x}))\nreturn {acc}"), GIVEN, ("for every element the number of elements that are {m.text} than it", "a list that tells for each element how many elements of the list are {m.text}"), slots={"acc": ACC, "x": ("x", "a"), "y": ("y", "other", "b"), "m": ({"text": "smaller", "sign": "<"}, {"text": "greater", "sign": ">"})}),
    FunctionTemplate(("move_{t.name}_to_{d.name}", "{t.name}_{d.name}"), (("xs", vocab.NUMBER_LIST_NAMES, "List[int]", vocab.list_sampler(vocab.integer_sampler(-3, 4), 0, 8)),), "List[int]", ("{f} = [{x} for {x} in {xs} if {t.code}]\n{g} = [{x} for {x} in {xs} if not ({t.code})]\nreturn {d.code}",), GIVEN, ("a new list with all {t.text} moved to the {d.name}, otherwise in the same order",), slots={"x": X, "f": ("moved", "found", "special"), "g": ("others", "rest", "remaining"), "t": ({"name": "zeros", "text": "zeros", "code": "{x} == 0"}, {"name": "negatives", "text": "negative numbers", "code": "{x} < 0"}, {"name": "evens", "text": "even numbers", "code": "{x} % 2 == 0"}), "d": ({"name": "front", "code": "{f} + {g}"}, {"name": "end", "code": "{g} + {f}"})}),
    FunctionTemplate(("{f.name}", "swap_{f.name}"), (EMPTY,), "List[int]", ("{f.code}",), GIVEN, ("{f.text}",), slots={"f": ({"name": "halves", "text": "the list with its first half and its second half exchanged, a middle element going with the second half", "code": "mid = len({xs}) // 2\nreturn {xs}[mid:] + {xs}[:mid]"}, {"name": "ends", "text": "a copy of the list with the first and the last element exchanged", "code": "if len({xs}) < 2:\n    return {xs}[:]\nreturn [{xs}[-1]] + {xs}[1:-1] + [{xs}[0]]"},
               {"name": "mirror", "text": "the list followed by itself in reverse order", "code": "return {xs} + {xs}[::-1]"}, {"name": "neighbours", "text": "the list with each two neighbours exchanged, a last odd element staying where it is", "code": "result = {xs}[:]\nfor i in range(0, len(result) - 1, 2):\n    result[i], result[i + 1] = result[i + 1], result[i]\nreturn result"}, {"name": "double", "text": "a list in which each element of the list occurs twice in a row", "code": "result = []\nfor x in {xs}:\n    result.append(x)\n    result.append(x)\nreturn result"}, {"name": "trim", "text": "the list without its smallest and its largest element (one of each)", "code": "if len({xs}) < 3:\n    return []\nreturn sorted({xs})[1:-1]"})}, weight=2),
)  # fmt: skip
