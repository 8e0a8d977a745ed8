"""Answers that the model gave itself and that pass their tests: what makes it surer of several tokens at a time.

Certainty-forcing after dParallel (arXiv 2509.26488) and LLaDA2.0's CAP: fine-tuning on such answers, with the entropy
of what is already predicted right as a further loss, lets decoding fix more tokens in each pass.
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
from evalharness.training.corpus.build import benchmark_folders
from evalharness.training.corpus.decontaminate import Benchmarks, read_benchmarks
from evalharness.training.corpus.encoding import Corpus, encode, load_corpus, save_corpus
from evalharness.training.corpus.generator import functions
from evalharness.training.corpus.tokenizer import read_tokenizer
from evalharness.training.corpus.views import assertions, completion
from evalharness.training.recipe import Certainty

FILE = "answers.npz"
STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
LIMITS = Limits(time_s=3.0)
RULES = ProcessRules(guard="human-eval", stack_depth=13)


@dataclass(frozen=True)
class Answers:
    """How many answers were asked for, and those that may be learned from, as prompts and answers."""

    asked: int
    passed: tuple[tuple[str, str], ...]


def problems(count: int, seed: int) -> list[tuple[Problem, str]]:
    """Generated functions to complete, each with its cases as assertions."""
    random = Random(seed)
    found = []
    for number, (function, cases) in enumerate(itertools.islice(functions(seed), count)):
        prompt, body = completion(function, cases, random)
        task_id = f"generated/{number}"
        problem = Problem(task_id, Prompt(text=prompt, stops=STOPS), {}, prompt + body, function.name, prefix=prompt)
        found.append((problem, "\n".join(assertions(function, cases))))
    return found


def ask(model: Path, settings: Certainty) -> Answers:
    """Has the model complete generated functions and keeps what passes in the sandbox and is in no benchmark."""
    from evalharness.sandbox.factory import open_sandbox

    benchmarks = read_benchmarks(benchmark_folders()) if settings.decontaminate else None
    asked = problems(settings.functions, settings.seed)
    backend = find_backend(settings.backend)(
        BackendConfig(model=str(model), batch_size=settings.batch_size, options=settings.options)
    )
    requests = [Request(problem, 0) for problem, _ in asked]
    sampling = Sampling(max_new_tokens=settings.max_new_tokens)
    with closing(open_sandbox(settings.sandbox, settings.workers, {}, lambda _: None)) as sandbox:
        sandbox.prepare(["python"])

        def passes(pair: tuple[tuple[Problem, str], Completion]) -> bool:
            (problem, tests), answer = pair
            source = problem.prefix + answer.text
            checks = Checks(tests, trusted=problem.reference or "", entry_point=problem.entry_point)
            execution = sandbox.run(ExecProgram("python", source, LIMITS, RULES, checks))
            return not execution.infrastructure and all(part.status == "passed" for part in execution.parts.values())

        answers = list(backend.generate(requests, sampling))
        with ThreadPoolExecutor(settings.workers) as pool:
            verdicts = list(pool.map(passes, zip(asked, answers, strict=True)))
    pairs = zip(asked, answers, verdicts, strict=True)
    right = ((problem.prefix, answer.text) for (problem, _), answer, passed in pairs if passed)
    return Answers(len(asked), tuple(pair for pair in right if benchmarks is None or is_new(pair, benchmarks)))


def is_new(pair: tuple[str, str], benchmarks: Benchmarks) -> bool:
    """Whether a prompt with its answer shares nothing with the benchmarks."""
    return benchmarks.overlap("".join(pair)) is None


def answer_corpus(model: Path, settings: Certainty, folder: Path) -> tuple[Corpus, Tokenizer]:
    """The passing answers as a corpus in `folder`, made there first if need be. Raises UserError for too few."""
    tokenizer = read_tokenizer(model)
    if not (folder / FILE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        found = ask(model, settings)
        print(f"{len(found.passed)} of {found.asked} answers passed their tests and are in no benchmark")
        if len(found.passed) < settings.least:
            raise UserError(f"only {len(found.passed)} answers passed, {settings.least} are needed; train longer first")
        corpus = encode(found.passed, tokenizer, held_out=min(len(found.passed) // 10, 64))
        save_corpus(corpus, folder / FILE)
    return load_corpus(folder / FILE), tokenizer
