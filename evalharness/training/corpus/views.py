"""Training documents made from a function: completion, assertions, instruction, chat, and infilling formats."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from evalharness.training.corpus.generated.function import ExampleCall, Function, indent
from evalharness.training.corpus.generated.vocabulary import VERBS

PREFIX, SUFFIX, MIDDLE = "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"
USER, ASSISTANT = "<|user|>", "<|assistant|>"
CHAT = "{instruction}\n\n```python\n{prompt}\n```\n"
INSTRUCTIONS = (
    "Complete this Python function. Answer with the whole function, and all it needs, in one fenced code block.",
    "Write the body of this function and answer with the whole function.",
    "Finish the following Python function.",
    "Write a solution to the following problem:",
)


@dataclass(frozen=True)
class TrainingDocument:
    """A training document: a prompt, and the answer that the model learns to generate."""

    prompt: str
    answer: str
    kind: str
    family: str


def move_infilling_middle_into_place(text: str) -> str:
    """Returns a document's text in the order of the source file, without FIM sentinel tokens.

    The middle of an infilling document is moved back between prefix and suffix.
    """
    if text.startswith(PREFIX) and MIDDLE in text:
        before, _, middle = text.removeprefix(PREFIX).partition(MIDDLE)
        head, _, tail = before.partition(SUFFIX)
        return head + middle + tail
    return text


def make_training_documents(
    function: Function, example_calls: Sequence[ExampleCall], random: Random, infilling_probability: float
) -> Iterator[TrainingDocument]:
    """Yields a training document of a function in a random format.

    With probability `infilling_probability`, also yields an infilling document of the function.
    """
    roll = random.random()
    if roll < 0.68:
        prompt, body = make_completion_prompt_and_answer(function, example_calls, random)
        if random.random() < 0.1:
            prompt, body = prompt.rstrip("\n"), "\n" + body
        yield TrainingDocument(prompt, body, "completion", function.family)
    elif roll < 0.82:
        yield _make_assertion_document(function, example_calls, random)
    elif roll < 0.95:
        yield _make_docstring_first_document(function, example_calls, random)
    else:
        yield _make_chat_document(function, example_calls, random)
    if random.random() < infilling_probability:
        prompt, body = make_completion_prompt_and_answer(function, example_calls, random)
        yield make_infilling_document(prompt, body, random, function.family)


def make_completion_prompt_and_answer(
    function: Function, example_calls: Sequence[ExampleCall], random: Random
) -> tuple[str, str]:
    """Returns prompt (imports, signature and docstring) and answer (body) of a function's completion document."""
    typed = random.random() < 0.7
    preamble = function.import_lines(typed)
    head = preamble + random.choice(("\n\n", "\n")) if preamble else random.choice(("", "", "\n"))
    return f"{head}{function.signature(typed)}\n{_make_docstring(function, example_calls, random)}", indent(
        function.body
    )


def _make_docstring(function: Function, example_calls: Sequence[ExampleCall], random: Random) -> str:
    quotes = random.choices(('"""', "'''"), (85, 15))[0]
    width = random.choice((70, 84, 100, 400))
    sentences = textwrap.wrap(function.text, width)
    if random.random() < 0.3 and ". " in function.text:
        sentences = [line for part in re.split(r"(?<=\.) ", function.text) for line in textwrap.wrap(part, width)]
    lines = sentences + _make_example_lines(function, example_calls, random)
    opening = random.choice((quotes + " ", quotes + " ", quotes, f"{quotes}\n    "))
    return "    " + opening + lines[0] + "\n" + indent("\n".join([*lines[1:], quotes]))


def _make_example_lines(function: Function, example_calls: Sequence[ExampleCall], random: Random) -> list[str]:
    """Returns docstring lines with some of a function's example calls, in one of several common formats."""
    count = random.choice((0, 1, 2, 2, 2, 3, 3, 4))
    chosen = sort_informative_calls_first(example_calls, random)[:count]
    if not chosen:
        return []
    calls = [(format_example_call(function, case), repr(case.value)) for case in chosen]
    blank = [""] if random.random() < 0.3 else []
    roll = random.random()
    if roll < 0.62:
        return blank + [line for text, value in calls for line in (f">>> {text}", value)]
    heading = random.choice(("For example:", "Examples:", "Example:", "Examples", "For instance:", "e.g."))
    sign = random.choice((" == ", " => ", " ➞ ", " -> ", " returns ", " # => ", " should return "))
    return [*blank, heading, *(text + sign + value for text, value in calls)]


def sort_informative_calls_first(example_calls: Sequence[ExampleCall], random: Random) -> list[ExampleCall]:
    """Returns example calls in random order; usually, calls with non-empty, distinct results come first."""
    mixed = random.sample(list(example_calls), len(example_calls))
    first: dict[str, ExampleCall] = {}
    for case in mixed:
        if case.value not in (0, [], "", {}, None):
            first.setdefault(repr(case.value), case)
    front = list(first.values())
    rest = [case for case in mixed if all(case is not other for other in front)]
    ordered = front + rest
    if len(ordered) > 2 and random.random() < 0.3 and rest:
        ordered.insert(1, ordered.pop())
    return ordered


def format_example_call(function: Function, example_call: ExampleCall) -> str:
    """Returns an example call as Python code."""
    return f"{function.name}({', '.join(map(repr, example_call.arguments))})"


def make_assert_statements(function: Function, example_calls: Sequence[ExampleCall]) -> list[str]:
    """Returns assert statements that check a function's example calls."""
    return [f"assert {format_example_call(function, case)} == {case.value!r}" for case in example_calls]


def phrase_as_request(function: Function, random: Random) -> str:
    """Returns a function's description as a request: `Write a function to ...`."""
    first, _, rest = function.text.partition(" ")
    if first in VERBS:
        return f"Write a {random.choice(('', '', 'python '))}function to {first.lower()} {rest}"
    return function.text if first in ("Write", "This") else f"Write a function. {function.text}"


def code_without_annotations(function: Function) -> str:
    """Returns a function's code with its imports, without type annotations and docstring."""
    return function.import_lines(False) + function.signature(False) + "\n" + indent(function.body)


def _make_assertion_document(
    function: Function, example_calls: Sequence[ExampleCall], random: Random
) -> TrainingDocument:
    tests = "\n".join(make_assert_statements(function, sort_informative_calls_first(example_calls, random)[:3]))
    prompt = (
        f"You are an expert Python programmer, and here is your task: {phrase_as_request(function, random)} "
        f"Your code should pass these tests:\n\n{tests}\n[BEGIN]\n"
    )
    return TrainingDocument(prompt, code_without_annotations(function) + "[DONE]", "assertions", function.family)


def _make_docstring_first_document(
    function: Function, example_calls: Sequence[ExampleCall], random: Random
) -> TrainingDocument:
    shown = random.choice((1, 1, 1, 3))
    tests = "\n".join(make_assert_statements(function, sort_informative_calls_first(example_calls, random)[:shown]))
    return TrainingDocument(
        f'"""\n{phrase_as_request(function, random)}\n{tests}\n"""\n',
        code_without_annotations(function),
        "instruction",
        function.family,
    )


def _make_chat_document(function: Function, example_calls: Sequence[ExampleCall], random: Random) -> TrainingDocument:
    prompt, body = make_completion_prompt_and_answer(function, example_calls, random)
    request = CHAT.format(instruction=random.choice(INSTRUCTIONS), prompt=prompt.rstrip("\n"))
    head = function.import_lines(False) + function.signature(False) + "\n"
    if random.random() < 0.5:
        request = (
            phrase_as_request(function, random)
            + "\n\n"
            + "\n".join(make_assert_statements(function, sort_informative_calls_first(example_calls, random)[:3]))
            + "\n"
        )
    return TrainingDocument(f"{USER}\n{request}{ASSISTANT}\n", f"```python\n{head}{body}```", "chat", function.family)


def make_infilling_document(code_before_body: str, body: str, random: Random, family: str) -> TrainingDocument:
    """Returns an infilling document whose middle is a line, several lines or a random span of a function's body.

    `family` is the name of the function's problem family.
    """
    lines = body.splitlines(keepends=True)
    roll = random.random()
    if roll < 0.45:
        start = random.randrange(len(lines))
        parts = "".join(lines[:start]), lines[start], "".join(lines[start + 1 :])
    elif roll < 0.75:
        start = random.randrange(len(lines))
        end = random.randint(start + 1, len(lines))
        parts = "".join(lines[:start]), "".join(lines[start:end]), "".join(lines[end:])
    else:
        left, right = sorted(random.sample(range(len(body) + 1), 2))
        parts = body[:left], body[left:right], body[right:]
    head, middle, tail = parts
    if middle.endswith("\n") and len(middle) > 1 and random.random() < 0.15:
        middle, tail = middle[:-1], "\n" + tail
    return TrainingDocument(f"{PREFIX}{code_before_body}{head}{SUFFIX}{tail}{MIDDLE}", middle, "infilling", family)
