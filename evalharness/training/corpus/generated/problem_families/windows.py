"""Adjacent elements, windows, runs and running values of lists."""

from evalharness.training.corpus.generated import vocabulary as vocab
from evalharness.training.corpus.generated.template import FunctionTemplate

XS = ("xs", vocab.NUMBER_LIST_NAMES, "List[int]", vocab.list_sampler(vocab.random_small_integer, 1))
PLAIN = ("xs", vocab.NUMBER_LIST_NAMES, "List[int]", vocab.list_sampler(vocab.integer_sampler(0, 5), 0, 9))
GIVEN = ("a list of integers", "a list of integers {xs}", "a list of numbers {xs}")
OPS = (
    {"name": "sum", "noun": "sums", "one": "sum", "code": "sum({w})"},
    {"name": "max", "noun": "maxima", "one": "maximum", "code": "max({w})"},
    {"name": "min", "noun": "minima", "one": "minimum", "code": "min({w})"},
    {"name": "range", "noun": "differences between largest and smallest element", "one": "difference between the largest and the smallest element", "code": "max({w}) - min({w})"},
)
TESTS = (
    {"name": "even", "text": "even", "code": "{x} % 2 == 0"},
    {"name": "odd", "text": "odd", "code": "{x} % 2 == 1"},
    {"name": "positive", "text": "positive", "code": "{x} > 0"},
    {"name": "negative", "text": "negative", "code": "{x} < 0"},
    {"name": "large", "text": "greater than {limit}", "code": "{x} > {limit}"},
    {"name": "small", "text": "less than {limit}", "code": "{x} < {limit}"},
    {"name": "equal", "text": "equal to {target}", "code": "{x} == {target}"},
    {"name": "divisible", "text": "divisible by {divisor}", "code": "{x} % {divisor} == 0"},
)

TEMPLATES = (
    FunctionTemplate(
        ("window_{op.name}s", "sliding_{op.name}", "{op.name}_of_windows"),
        (XS, ("k", ("k", "size", "width", "n"), "int", vocab.integer_sampler(1, 3))), "List[int]",
        ("{acc} = []\nfor i in range(len({xs}) - {k} + 1):\n    window = {xs}[i:i + {k}]\n    {acc}.append({op.code})\nreturn {acc}",
         "{acc} = []\nfor start in range(len({xs}) - {k} + 1):\n    {acc}.append({op.code2})\nreturn {acc}",
         "return [{op.code2} for start in range(len({xs}) - {k} + 1)]"),
        ("a list of integers and a window size {k}", "a list of integers {xs} and an integer {k}"),
        ("the {op.noun} of all windows of {k} consecutive elements", "a list with the {op.one} of every {k} neighbouring elements of the list"),
        slots={"op": [{**o, "code": o["code"].replace("{w}", "window"), "code2": o["code"].replace("{w}", "{xs}[start:start + {k}]")} for o in OPS], "acc": ("result", "res", "out")},
    ),
    FunctionTemplate(
        ("largest_window_{op.name}", "best_window", "max_{op.name}_window"),
        (XS, ("k", ("k", "size", "width", "n"), "int", vocab.integer_sampler(1, 3))), "Optional[int]",
        ("if len({xs}) < {k}:\n    return None\nreturn {m.code}({op.code2} for start in range(len({xs}) - {k} + 1))",
         "{acc} = None\nfor i in range(len({xs}) - {k} + 1):\n    current = {op.code}\n    if {acc} is None or current {m.sign} {acc}:\n        {acc} = current\nreturn {acc}"),
        ("a list of integers and a window size {k}", "a list of integers {xs} and an integer {k}"),
        ("the {m.text} {op.one} of {k} consecutive elements",),
        notes=("Return None if the list has fewer than {k} elements.",),
        slots={"op": [{**o, "code": o["code"].replace("{w}", "{xs}[i:i + {k}]"), "code2": o["code"].replace("{w}", "{xs}[start:start + {k}]")} for o in OPS],
               "m": ({"text": "largest", "code": "max", "sign": ">"}, {"text": "smallest", "code": "min", "sign": "<"}), "acc": ("best", "result")},
    ),
    FunctionTemplate(
        ("running_{op.name}", "prefix_{op.name}s", "cumulative_{op.name}", "{op.name}_so_far"), (XS,), "List[int]",
        ("{acc} = []\n{cur} = {op.start}\nfor {x} in {xs}:\n    {cur} = {op.step}\n    {acc}.append({cur})\nreturn {acc}",
         "return [{op.whole} for i in range(len({xs}))]"),
        GIVEN, ("a list of the running {op.text} of the elements", "the {op.text} of the elements up to each position, as a list", "for each position the {op.text} of all elements up to and including it"),
        slots={"op": (
            {"name": "sum", "text": "sum", "start": "0", "step": "{cur} + {x}", "whole": "sum({xs}[:i + 1])"},
            {"name": "max", "text": "maximum", "start": "{xs}[0]", "step": "max({cur}, {x})", "whole": "max({xs}[:i + 1])"},
            {"name": "min", "text": "minimum", "start": "{xs}[0]", "step": "min({cur}, {x})", "whole": "min({xs}[:i + 1])"},
            {"name": "square_sum", "text": "sum of squares", "start": "0", "step": "{cur} + {x} * {x}", "whole": "sum(v * v for v in {xs}[:i + 1])"},
            {"name": "even_count", "text": "number of even values among", "start": "0", "step": "{cur} + ({x} % 2 == 0)", "whole": "sum(1 for v in {xs}[:i + 1] if v % 2 == 0)"},
            {"name": "abs_sum", "text": "sum of absolute values", "start": "0", "step": "{cur} + abs({x})", "whole": "sum(abs(v) for v in {xs}[:i + 1])"},
        ), "acc": ("result", "res", "out"), "cur": ("current", "total", "best", "running"), "x": ("x", "n", "num", "value")},
        weight=2,
    ),
    FunctionTemplate(
        ("longest_{t.name}_run", "longest_run_of_{t.name}", "max_{t.name}_streak"), (XS,), "int",
        ("{best} = 0\n{cur} = 0\nfor {x} in {xs}:\n    if {t.code}:\n        {cur} += 1\n        {best} = max({best}, {cur})\n    else:\n        {cur} = 0\nreturn {best}",
         "{best} = {cur} = 0\nfor {x} in {xs}:\n    {cur} = {cur} + 1 if {t.code} else 0\n    if {cur} > {best}:\n        {best} = {cur}\nreturn {best}"),
        GIVEN, ("the length of the longest run of consecutive elements that are {t.text}", "how many elements in a row are {t.text} at most"),
        slots={"x": ("x", "n", "num", "value", "item"), "t": TESTS, "best": ("best", "longest", "result"), "cur": ("current", "run", "count", "length")},
        weight=2,
    ),
    FunctionTemplate(
        ("longest_{t.name}_stretch", "longest_{t.name}_run", "{t.name}_streak"), (XS,), "int",
        ("if not {xs}:\n    return 0\n{best} = {cur} = 1\nfor i in range(1, len({xs})):\n    if {t.code}:\n        {cur} += 1\n    else:\n        {cur} = 1\n    {best} = max({best}, {cur})\nreturn {best}",),
        GIVEN, ("the length of the longest stretch of neighbouring elements in which each element is {t.text} the one before it",),
        notes=("For an empty list return 0.",),
        slots={"t": ({"name": "rising", "text": "greater than", "code": "{xs}[i] > {xs}[i - 1]"}, {"name": "falling", "text": "less than", "code": "{xs}[i] < {xs}[i - 1]"},
                     {"name": "equal", "text": "equal to", "code": "{xs}[i] == {xs}[i - 1]"}, {"name": "different", "text": "different from", "code": "{xs}[i] != {xs}[i - 1]"},
                     {"name": "step", "text": "one more than", "code": "{xs}[i] == {xs}[i - 1] + 1"}), "best": ("best", "longest"), "cur": ("current", "run", "length")},
    ),
    FunctionTemplate(
        ("run_lengths", "group_runs", "compress_runs", "count_runs"), (PLAIN,), "List[Tuple[int, int]]",
        ("{acc} = []\nfor {x} in {xs}:\n    if {acc} and {acc}[-1][0] == {x}:\n        {acc}[-1] = ({x}, {acc}[-1][1] + 1)\n    else:\n        {acc}.append(({x}, 1))\nreturn {acc}",
         "return [(key, len(list(group))) for key, group in groupby({xs})]"),
        GIVEN, ("a list of pairs (value, length) for the runs of equal neighbouring elements", "the run-length encoding of the list as a list of pairs (value, count)"),
        slots={"acc": ("runs", "result", "groups"), "x": ("x", "n", "value")}, imports=("from itertools import groupby",),
    ),
    FunctionTemplate(
        ("compress_string", "encode_runs", "run_length", "squeeze_text"), (("s", vocab.STRING_NAMES, "str", lambda r: "".join(r.choice("aabbc") * r.randint(1, 3) for _ in range(r.randint(0, 4)))),), "str",
        ("{acc} = ''\ni = 0\nwhile i < len({s}):\n    j = i\n    while j < len({s}) and {s}[j] == {s}[i]:\n        j += 1\n    {acc} += {o.code}\n    i = j\nreturn {acc}",),
        ("a string", "a string {s}"), ("a string in which each run of equal characters is replaced by {o.text}",),
        slots={"acc": ("result", "out", "res"), "o": (
            {"text": "the character and the length of the run", "code": "{s}[i] + str(j - i)"}, {"text": "the length of the run and the character", "code": "str(j - i) + {s}[i]"},
            {"text": "a single such character", "code": "{s}[i]"}, {"text": "the length of the run", "code": "str(j - i)"}, {"text": "the character in upper case if the run is longer than one, else the character itself", "code": "{s}[i].upper() if j - i > 1 else {s}[i]"})},
    ),
    FunctionTemplate(
        ("count_{t.name}", "number_of_{t.name}"), (XS,), "int",
        ("return sum(1 for i in range(1, len({xs}) - 1) if {t.code})",
         "{acc} = 0\nfor i in range(1, len({xs}) - 1):\n    if {t.code}:\n        {acc} += 1\nreturn {acc}"),
        GIVEN, ("the number of elements that are {t.text} both of their neighbours", "how many elements are {t.text} the element before and the element after them"),
        notes=("The first and the last element do not count.",),
        slots={"acc": ("count", "total"), "t": ({"name": "peaks", "text": "greater than", "code": "{xs}[i] > {xs}[i - 1] and {xs}[i] > {xs}[i + 1]"}, {"name": "valleys", "text": "less than", "code": "{xs}[i] < {xs}[i - 1] and {xs}[i] < {xs}[i + 1]"},
                     {"name": "repeats", "text": "equal to", "code": "{xs}[i] == {xs}[i - 1] and {xs}[i] == {xs}[i + 1]"})},
    ),
    FunctionTemplate(
        ("rotate_{d.name}", "shift_{d.name}"), (("xs", vocab.NUMBER_LIST_NAMES, "List[int]", vocab.list_sampler(vocab.random_small_integer, 1)), ("k", ("k", "n", "steps"), "int", vocab.integer_sampler(0, 5))), "List[int]",
        ("if not {xs}:\n    return []\nshift = {k} % len({xs})\nreturn {d.code}",),
        ("a list of integers and a number of steps {k}", "a list {xs} and an integer {k}"), ("the list rotated to the {d.name} by {k} places", "a new list with all elements moved {k} places to the {d.name}, those that fall off coming back at the other end"),
        slots={"d": ({"name": "left", "code": "{xs}[shift:] + {xs}[:shift]"}, {"name": "right", "code": "{xs}[len({xs}) - shift:] + {xs}[:len({xs}) - shift]"})},
    ),
    FunctionTemplate(
        ("split_into_chunks", "chunks", "group_by_size", "{op.name}_chunks"), (XS, ("k", ("k", "size", "n"), "int", vocab.integer_sampler(1, 4))), "{op.type}",
        ("return [{op.code} for i in range(0, len({xs}), {k})]", "{acc} = []\nfor i in range(0, len({xs}), {k}):\n    {acc}.append({op.code})\nreturn {acc}"),
        ("a list of integers and a positive integer {k}", "a list {xs} and a chunk size {k}"),
        ("{op.text} of {k} elements, where the last chunk may be shorter",),
        slots={"acc": ("chunks", "result"), "op": ({"name": "list", "type": "List[List[int]]", "text": "a list of the consecutive chunks", "code": "{xs}[i:i + {k}]"}, {"name": "sum", "type": "List[int]", "text": "a list with the sums of the consecutive chunks", "code": "sum({xs}[i:i + {k}])"},
                {"name": "max", "type": "List[int]", "text": "a list with the largest elements of the consecutive chunks", "code": "max({xs}[i:i + {k}])"}, {"name": "reverse", "type": "List[List[int]]", "text": "a list of the consecutive chunks, each reversed,", "code": "{xs}[i:i + {k}][::-1]"})},
    ),
    FunctionTemplate(
        ("is_{t.name}", "check_{t.name}", "{t.name}"), (XS,), "bool",
        ("return all({t.code} for i in range(len({xs}) - 1))", "for i in range(len({xs}) - 1):\n    if not {t.code}:\n        return False\nreturn True"),
        GIVEN, ("True if {t.text}, otherwise False", "whether {t.text}"),
        slots={"t": ({"name": "increasing", "text": "every element is less than the next one", "code": "{xs}[i] < {xs}[i + 1]"}, {"name": "decreasing", "text": "every element is greater than the next one", "code": "{xs}[i] > {xs}[i + 1]"},
                     {"name": "sorted", "text": "the elements are in non-decreasing order", "code": "{xs}[i] <= {xs}[i + 1]"}, {"name": "descending", "text": "no element is smaller than the next one", "code": "{xs}[i] >= {xs}[i + 1]"},
                     {"name": "alternating", "text": "neighbouring elements never have the same parity", "code": "{xs}[i] % 2 != {xs}[i + 1] % 2"}, {"name": "smooth", "text": "neighbouring elements differ by at most {amount}", "code": "abs({xs}[i] - {xs}[i + 1]) <= {amount}"},
                     {"name": "no_repeats", "text": "no two neighbouring elements are equal", "code": "{xs}[i] != {xs}[i + 1]"})},
        weight=2,
    ),
    FunctionTemplate(
        ("insert_between", "with_{op.name}_between", "fill_gaps"), (XS,), "List[int]",
        ("{acc} = []\nfor i, {x} in enumerate({xs}):\n    {acc}.append({x})\n    if i + 1 < len({xs}):\n        {acc}.append({op.code})\nreturn {acc}",),
        GIVEN, ("a new list in which {op.text} stands between any two neighbouring elements",),
        slots={"acc": ("result", "out"), "x": ("x", "value", "n"), "op": ({"name": "sum", "text": "their sum", "code": "{x} + {xs}[i + 1]"}, {"name": "difference", "text": "their absolute difference", "code": "abs({x} - {xs}[i + 1])"},
                {"name": "max", "text": "the larger of the two", "code": "max({x}, {xs}[i + 1])"}, {"name": "zero", "text": "a zero", "code": "0"}, {"name": "product", "text": "their product", "code": "{x} * {xs}[i + 1]"})},
    ),
)  # fmt: skip
