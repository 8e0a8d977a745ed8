"""Training prompts for a drafter: the harness's prompt formats, filled with functions of the training corpus."""

import ast
import functools
import itertools
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from evalharness.generation.encoding import encode_text
from evalharness.generation.infilling import InfillingEncoder
from evalharness.training.corpus import views
from evalharness.training.corpus.decontamination import BenchmarkExcerpts
from evalharness.training.corpus.generated.function import ExampleCall, Function
from evalharness.training.corpus.generated.stream import generate_functions
from evalharness.training.corpus.library import FunctionSnippet, find_documented_functions, find_permissive_packages
from evalharness.util.paths import bundled_folder
from evalharness.util.yaml_text import parse_yaml

Kind = Literal["chat", "request", "completion", "infill"]
KINDS: tuple[Kind, ...] = ("chat", "request", "completion", "infill")
"""The kinds of prompts, in the order in which shard files number them."""
WEIGHTS = {"chat": 0.45, "request": 0.2, "completion": 0.1, "infill": 0.25}
"""Share of each kind among the prompts. Infilled middles are short, so that infilling has fewer tokens than its share.
"""
LIBRARY = 0.5
"""Share of prompts made from functions of installed packages; the others are generated."""


@dataclass(frozen=True)
class TrainingPrompt:
    """A prompt whose answer by the target trains the drafter: chat message, text to continue, or infilling prompt."""

    kind: Kind
    text: str
    suffix: str = ""
    stops: tuple[str, ...] = ()

    def encode(self, tokenizer: Any, infilling: InfillingEncoder | None) -> list[int]:
        """Returns the prompt's token ids, in the format that the backends use.

        `infilling`, the target's FIM format, is needed for prompts of kind infill.
        """
        if self.kind == "infill":
            assert infilling is not None
            return infilling.encode(self.text, self.suffix)
        if self.kind == "completion":
            return encode_text(tokenizer, self.text)
        messages = [{"role": "user", "content": self.text}]
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])


@dataclass(frozen=True)
class PromptRecipes:
    """Prompt templates and stop sequences of benchmarks, taken from their task cards."""

    chat: str
    request: str
    completion_stops: tuple[str, ...]


def read_prompt_recipes() -> PromptRecipes:
    """Returns the chat templates of HumanEval and MBPP, and the stop sequences of HumanEval's completion recipe."""
    humaneval, mbpp = (
        parse_yaml((bundled_folder("tasks") / name).read_text(encoding="utf-8"))["recipes"]
        for name in ("humaneval.yaml", "mbpp.yaml")
    )
    return PromptRecipes(
        humaneval["chat"]["fields"]["user"], mbpp["chat"]["fields"]["user"], tuple(humaneval["completion"]["stops"])
    )


def generate_prompts(
    seed: int, benchmark_excerpts: BenchmarkExcerpts | None, dropped_counts: Counter[str], kinds: Sequence[Kind] = KINDS
) -> Iterator[TrainingPrompt]:
    """Yields training prompts of the given kinds, endlessly; the same ones for the same seed and installed packages.

    Prompts that overlap with a benchmark are left out, and counted in `dropped_counts` by kind of overlap.
    """
    random, recipes = Random(seed), read_prompt_recipes()
    generated, library = generate_functions(seed + 1), itertools.cycle(collect_library_functions(seed + 2))
    while True:
        kind = random.choices(kinds, [WEIGHTS[kind] for kind in kinds])[0]
        if random.random() < LIBRARY:
            prompt = _make_prompt_from_library_snippet(next(library), kind, recipes, random)
        else:
            function, cases = next(generated)
            prompt = _make_prompt_from_function(function, cases, kind, recipes, random)
        reason = benchmark_excerpts.find_overlap(prompt.text + prompt.suffix) if benchmark_excerpts else None
        if reason:
            dropped_counts[f"prompt: {reason}"] += 1
        else:
            yield prompt


@functools.cache
def collect_library_functions(seed: int) -> tuple[FunctionSnippet, ...]:
    """Returns documented functions (no methods) of the standard library and installed packages, in random order."""
    random = Random(seed)
    files = [path for package in find_permissive_packages() for path in package.files]
    random.shuffle(files)
    snippets: dict[str, FunctionSnippet] = {}
    for path in files[:MOST_FILES]:
        for snippet in find_documented_functions(path):
            if "(self" not in snippet.head and "(cls" not in snippet.head and "yield" not in snippet.body:
                snippets.setdefault(snippet.head, snippet)
    ordered = list(snippets.values())
    random.shuffle(ordered)
    return tuple(ordered)


MOST_FILES = 6000
"""Most package files that are read."""


def _make_prompt_from_function(
    function: Function, example_calls: tuple[ExampleCall, ...], kind: Kind, recipes: PromptRecipes, random: Random
) -> TrainingPrompt:
    head, body = views.make_completion_prompt_and_answer(function, example_calls, random)
    if kind == "request":
        tests = "\n".join(
            views.make_assert_statements(function, views.sort_informative_calls_first(example_calls, random)[:3])
        )
        request = recipes.request.replace("{text}", views.phrase_as_request(function, random)).replace("{tests}", tests)
        return TrainingPrompt("request", request)
    return _make_prompt_with_code(head, body, kind, recipes, random)


def _make_prompt_from_library_snippet(
    snippet: FunctionSnippet, kind: Kind, recipes: PromptRecipes, random: Random
) -> TrainingPrompt:
    if kind == "request":
        sentences = _read_snippet_docstring(snippet).split("\n\n")[0]
        name = snippet.head.partition("def ")[2].partition("(")[0]
        request = random.choice(
            (
                f"Write a Python function `{name}`: {sentences}",
                f"Write a function that does the following. {sentences}",
                f"{sentences}\n\nAnswer with the Python code alone, in one fenced code block.",
            )
        )
        return TrainingPrompt("request", request)
    return _make_prompt_with_code(snippet.head, snippet.body, kind, recipes, random)


def _make_prompt_with_code(
    code_up_to_docstring: str, code_after_docstring: str, kind: Kind, recipes: PromptRecipes, random: Random
) -> TrainingPrompt:
    """Returns a prompt of the given kind for a function, given its code up to the end of the docstring, and the rest.

    For kind `infill`, a random part of the body is the middle that the model has to fill in.
    """
    if kind == "chat":
        return TrainingPrompt("chat", recipes.chat.replace("{prompt}", code_up_to_docstring))
    if kind == "completion":
        return TrainingPrompt("completion", code_up_to_docstring, stops=recipes.completion_stops)
    document = views.make_infilling_document(code_up_to_docstring, code_after_docstring, random, "")
    before = document.prompt.removeprefix(views.PREFIX).removesuffix(views.MIDDLE)
    prefix, _, suffix = before.partition(views.SUFFIX)
    return TrainingPrompt("infill", prefix, suffix)


def _read_snippet_docstring(snippet: FunctionSnippet) -> str:
    try:
        node = ast.parse(textwrap.dedent(snippet.head)).body[-1]
        text = ast.get_docstring(node) if isinstance(node, ast.FunctionDef) else None
    except SyntaxError:
        text = None
    return text or snippet.head
