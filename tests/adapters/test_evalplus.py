"""EvalPlus: prompts and stop sequences equal the installed package's; extraction, programs and verdicts."""

from typing import Any

import pytest
from evalplus.provider import utility
from helpers.task_data import OpenTask

from evalharness.records import CallsProgram, Completion, Execution, Message, Outcome, Problem, Prompt, Task
from evalharness.sandbox.agent.shared.wire import dumps

PROMPT = '\n\nimport math\n\ndef area(r):\n    """ Area.\n    >>> area(0)\n    0.0\n    """\n\n'
HUMANEVAL: dict[str, Any] = {
    "task_id": "HumanEval/0",
    "prompt": PROMPT,
    "entry_point": "area",
    "canonical_solution": "    return math.pi * r**2\n",
    "test": "def check(candidate): pass",
    "contract": "\n    assert r >= 0\n",
    "base_input": [[0], [1]],
    "plus_input": [[2.5]],
    "atol": 1e-6,
}
DOCSTRING = '"""\nWrite it.\nassert f((1, 2)) == 3\n"""\n'
MBPP: dict[str, Any] = {
    "task_id": "Mbpp/116",
    "prompt": DOCSTRING,
    "entry_point": "f",
    "canonical_solution": "\ndef f(t):\n    return sum(t)\n",
    "assertion": "assert f((1, 2)) == 3",
    "contract": "",
    "base_input": [[[1, 2]]],
    "plus_input": [[[]]],
    "atol": 0,
}
EOS = ("<|endoftext|>", "<|endofmask|>", "</s>", "\nif __name__", "\ndef main(", "\nprint(")
ASK = "Please provide a self-contained Python script that solves the following problem in a markdown code block:\n"
PREFILL = (
    "Below is a Python script with a self-contained function that solves the problem and passes corresponding tests:\n"
)


def of(open_with: OpenTask, name: str, recipe: str) -> tuple[Task, Problem]:
    record = HUMANEVAL if name == "humaneval-plus" else MBPP
    task, problems = open_with(name, [record], recipe=recipe)
    return task, problems[record["task_id"]]


def test_completion(open_with: OpenTask) -> None:
    """evalplus/codegen.py: the stripped prompt and a line break."""
    _, problem = of(open_with, "humaneval-plus", "completion")
    text = 'import math\n\ndef area(r):\n    """ Area.\n    >>> area(0)\n    0.0\n    """\n'
    stops = (*EOS, "\ndef ", "\nclass ", "\nimport ", "\nfrom ", "\nassert ")
    assert problem.prompt == Prompt(text=text, stops=stops)
    _, problem = of(open_with, "mbpp-plus", "completion")
    assert problem.prompt == Prompt(text=DOCSTRING, stops=(*EOS, '\n"""', "\nassert"))


def test_chat(open_with: OpenTask) -> None:
    """evalplus/provider/openai.py."""
    _, problem = of(open_with, "mbpp-plus", "chat")
    user = ASK + '```python\n"""\nWrite it.\nassert f((1, 2)) == 3\n"""\n```'
    assert problem.prompt == Prompt(messages=(Message("user", user),))


def test_chat_prefill(open_with: OpenTask) -> None:
    """evalplus/provider/utility.py make_raw_chat_prompt."""
    _, problem = of(open_with, "mbpp-plus", "chat-prefill")
    user = ASK + '```\n"""\nWrite it.\nassert f((1, 2)) == 3\n"""\n```\n'
    stops = (*EOS, "\n```\n")
    assert problem.prompt == Prompt(messages=(Message("user", user),), prefill=PREFILL + "```python\n", stops=stops)


class StandInTokenizer:
    """The part of a tokenizer that the package uses."""

    chat_template = "any"

    def apply_chat_template(self, messages: list[dict[str, str]], tokenize: bool) -> str:
        return "".join(f"<{message['role']}>{message['content']}" for message in messages)


@pytest.mark.parametrize("name", ["humaneval-plus", "mbpp-plus"])
def test_prompts_equal_those_of_the_package(name: str, open_with: OpenTask) -> None:
    _, base = of(open_with, name, "completion")
    extra = utility.extra_eos_for_direct_completion(name.removesuffix("-plus"))
    assert base.prompt.stops == (*utility.EOS, *extra)
    _, chat = of(open_with, name, "chat-prefill")
    raw = utility.make_raw_chat_prompt(str(base.prompt.text), ASK.strip(), PREFILL.strip(), StandInTokenizer())
    assert raw == f"<user>{chat.prompt.messages[0].content}<assistant>{chat.prompt.prefill}"
    assert chat.prompt.stops == (*utility.EOS, "\n```\n")


BODY = "\treturn math.pi * r * r\n"
WHOLE = "import math\ndef area(r):\n    return math.pi * r * r"


@pytest.mark.parametrize(
    ("recipe", "text", "form", "source"),
    [
        (
            "completion",
            BODY + "\nHere is how it works.",
            "answer",
            'import math\ndef area(r):\n    """ Area.\n    >>> area(0)\n    0.0\n    """\n    return math.pi * r * r',
        ),
        ("completion", BODY, "completion", PROMPT + BODY),
        ("completion", "not sanitized!", "solution", "not sanitized!"),
        ("chat", f"Sure.\n```python\n{WHOLE}\n\nprint(area(1))\n```\nIt's done.", "answer", WHOLE),
        ("chat-prefill", f"{WHOLE}\n\nx = 3\n", "answer", WHOLE),
        ("chat-prefill", WHOLE.replace("    ", "\t"), "answer", WHOLE),
        ("chat", WHOLE.replace("    ", "\t"), "answer", WHOLE.replace("    ", "\t")),
        ("chat", "I cannot.", "answer", "I cannot."),
    ],
)
def test_source(recipe: str, text: str, form: str, source: str, open_with: OpenTask) -> None:
    task, problem = of(open_with, "humaneval-plus", recipe)
    completion = Completion("HumanEval/0", 0, text, form=form)  # type: ignore[arg-type]
    assert task.program(problem, completion).source == source


def test_program(open_with: OpenTask) -> None:
    task, problem = of(open_with, "humaneval-plus", "completion")
    program = task.program(problem, Completion("HumanEval/0", 0, "", form="solution"))
    assert isinstance(program, CallsProgram)
    assert (program.calls.atol, program.calls.oracle, program.calls.min_time_s) == (1e-6, "", 4.0)
    assert program.reference is not None
    assert program.reference.source == PROMPT + "    return math.pi * r**2\n"
    assert program.reference.groups == {"base": dumps([[0], [1]]), "plus": dumps([[2.5]])}
    assert program.reference is task.program(problem, Completion("HumanEval/0", 1, "x")).reference


def test_mbpp_inputs_have_their_original_types(open_with: OpenTask) -> None:
    task, problem = of(open_with, "mbpp-plus", "completion")
    reference = task.program(problem, Completion("Mbpp/116", 0, "")).reference
    assert reference is not None
    assert reference.groups == {"base": dumps([[(1, 2)]]), "plus": dumps([[()]])}


@pytest.mark.parametrize(
    ("entry_point", "version", "oracle"),
    [
        ("are_equivalent", "v0.2.0", "anything"),
        ("sum_div", "v0.1.0", "zero_too"),
        ("surface_Area", "v0.2.0", "pyramid_surface"),
        ("surface_Area", "v0.1.0", ""),
        ("digit_distance_nums", "v0.2.0", "padded_digits"),
        ("Diff", "v0.2.0", "as_sets"),
        ("Diff", "v0.1.0", ""),
        ("check_str", "v0.2.0", "not_none"),
        ("find_zero", "v0.2.0", ""),
    ],
)
def test_oracles(entry_point: str, version: str, oracle: str, open_with: OpenTask) -> None:
    record = {**MBPP, "entry_point": entry_point}
    task, problems = open_with("mbpp-plus", [record], version=version)
    program = task.program(problems["Mbpp/116"], Completion("Mbpp/116", 0, ""))
    assert program.calls.oracle == oracle
    assert program.calls.min_time_s == (1.0 if version == "v0.1.0" else 4.0)
    assert program.reference is not None
    assert program.reference.output_not_none == (oracle == "not_none")


def test_a_sample_passes_if_base_and_plus_pass(open_with: OpenTask) -> None:
    task, _ = of(open_with, "humaneval-plus", "completion")
    completion = Completion("HumanEval/0", 0, "")
    good, bad = Outcome("passed", "", 1.0, 2.0, 30.0), Outcome("timeout", "too slow", 0.5, 0.5, 40.0)
    both = task.verdict(completion, Execution({"base": good, "plus": good}))
    assert (both.passed, both.base_passed, both.cpu_s, both.peak_mb) == (True, True, 2.0, 30.0)
    plus = task.verdict(completion, Execution({"base": good, "plus": bad}))
    assert (plus.passed, plus.base_passed, plus.status, plus.detail) == (False, True, "timeout", "too slow")
    base = task.verdict(completion, Execution({"base": bad}))
    assert (base.passed, base.base_passed, base.status) == (False, False, "timeout")
    lost = task.verdict(completion, Execution(infrastructure="gone"))
    assert (lost.passed, lost.base_passed, lost.status) == (False, None, "infrastructure")
