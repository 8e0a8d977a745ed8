"""No text of a model, a sample or an endpoint stops the harness: each reader takes linear time, or a bounded process.

`READERS` names every function of this process that reads such texts, `BOUNDED` those that run in child processes. A
module that gets the means to read texts, such as patterns or a parser, has to be listed here.
"""

import ast
import contextlib
import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from helpers.hostile_texts import SHAPES

from evalharness.adapters.extraction import infilling, programs
from evalharness.adapters.extraction.reasoning import without_reasoning
from evalharness.backends import samples_file
from evalharness.backends.openai.answer import AnswerReader
from evalharness.backends.openai.events import Chunk, ServerSentEventReader, parse_chunk
from evalharness.data.cards import Recipe
from evalharness.data.run_files import read_completions, read_verdicts
from evalharness.generation.stopping import cut_at_stop_sequence
from evalharness.metrics.tokenizing import load_common_tokenizer
from evalharness.pipeline.store import row_to_json
from evalharness.records import (
    Checks,
    CommandProgram,
    Completion,
    ExecProgram,
    Limits,
    Problem,
    ProcessRules,
    Program,
    Prompt,
    UnitTestProgram,
    Verdict,
)
from evalharness.report.page.chunks import to_script_safe_json
from evalharness.report.page.rows import _write_sample_and_make_row
from evalharness.sandbox.jobs import build_hidden_tests_message, build_job_message
from evalharness.sandbox.languages import languages_by_image
from evalharness.util import text as texts
from evalharness.util.limits.calls import LimitExceeded
from evalharness.util.limits.texts import MAX_TEXT_BYTES, is_too_large
from evalharness.util.visible import escape_control_characters

PACKAGE = Path(__file__).parents[1] / "evalharness"
MAX_S = 1.0
"""Processor time of this thread for one text."""
SLOWER = {"common tokenizer": 5.0, "jobs of commands": 5.0}
"""The tokenizer takes linear time, a second per megabyte, without holding the interpreter's lock. The jobs are those of
all languages."""
LIMITS = Limits(1.0)
SUITE = "import unittest\nclass TestCases(unittest.TestCase):\n    def test(self):\n        self.assertEqual(f(1), 1)\n"
STUB = "def f(x):\n"
JAVA = {
    "language": "java",
    "prompt": "class Problem {\n    public static long f(long x) {\n",
    "tests": "    }\n    f(1);",
}
QUICK = ("one word", "spaces", "open escapes", "words with hyphens", "fences", "line breaks", "unpaired surrogates")
PROBLEM = Problem("a", Prompt(text=STUB), JAVA, None, entry_point="f", prefix=STUB, suffix="    return y\n")
TOKENIZER = load_common_tokenizer()


class Chunks:
    """Stands for the files of a report's page."""

    def add(self, value: object) -> tuple[int, int]:
        to_script_safe_json(value)
        return 0, 0


def extracted(name: str) -> Callable[[str], object]:
    recipe = Recipe(kind="completion", description="", extraction=name, max_new_tokens=1, fields={"prompt": "{prompt}"})
    return lambda text: programs.extract_program_and_location(PROBLEM, Completion("a", 0, text), recipe)


def middle(name: str) -> Callable[[str], object]:
    return lambda text: infilling.MIDDLE_EXTRACTIONS[name](PROBLEM, text)


def page_row(text: str) -> object:
    verdict = Verdict("a", 0, False, "failed", detail=text)
    return _write_sample_and_make_row(Completion("a", 0, text, reasoning=text), verdict, text, Chunks())  # type: ignore[arg-type]


def answer_read(text: str) -> object:
    """An endpoint's answer, in chunks as it streams them."""
    reader = AnswerReader(["\ndef", "```", "###"])
    for start in range(0, len(text), 1 << 14):
        reader.add_chunk(Chunk(content=text[start : start + (1 << 14)]), 1.0)
    return reader.make_answer(0.0, True)


def events_read(text: str) -> object:
    line = b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"
    reader, chunks = ServerSentEventReader(), []
    for start in range(0, len(line), 1 << 14):
        chunks += [parse_chunk(data) for data in reader.feed(line[start : start + (1 << 14)])]
    return chunks


def jobs_of(make: Callable[[str], Program]) -> Callable[[str], object]:
    """What the sandbox reads of a program before it runs: whether it is harmless, its canaries."""
    return lambda text: (build_job_message(make(text)), build_hidden_tests_message(make(text), b""))


def commands(text: str) -> object:
    return [
        build_job_message(CommandProgram(image, text, LIMITS, Checks(language.hello.tests)))
        for image, language in languages_by_image().items()
    ]


READERS: dict[str, Callable[[str], object]] = {
    **{f"extraction {name}": extracted(name) for name in sorted(programs.LINEAR_TIME_RULES)},
    **{f"middle {name}": middle(name) for name in infilling.MIDDLE_EXTRACTIONS},
    "job of checks": jobs_of(lambda text: ExecProgram("python", text, LIMITS, ProcessRules(), Checks("f(1)"))),
    "job of a suite": jobs_of(lambda text: UnitTestProgram("python", text, LIMITS, ProcessRules(), Checks(SUITE))),
    "jobs of commands": commands,
    "size limit": is_too_large,
    "reasoning": without_reasoning,
    "samples file": lambda text: samples_file.parse_sample("", 1, json.loads(row(text)), {}),
    "row of completions": lambda text: json.dumps(row_to_json(Completion("a", 0, text))),
    "stop sequences": lambda text: cut_at_stop_sequence(text, ["\ndef", "###"]),
    "common tokenizer": lambda text: TOKENIZER and TOKENIZER.count(text),
    "one line": texts.one_line,
    "shortened": lambda text: texts.shortened(text, 300),
    "error text": lambda text: texts.error_text(ValueError(text)),
    "page": page_row,
    "visible": escape_control_characters,
    "endpoint's answer": answer_read,
    "endpoint's events": events_read,
}
BOUNDED = sorted(set(programs.EXTRACTION_RULES) - programs.LINEAR_TIME_RULES)
TRUSTED = {
    "adapters/extraction/*": "bounded: `programs.extract_program_and_location` calls them in a child process",
    "adapters/card_task.py": "names of a card's fields",
    "adapters/livecodebench.py": "starter code of the data",
    "adapters/mbpp.py": "tests of the data",
    "adapters/multipl_e.py": "a whole program's text around its tests: see test_a_whole_program",
    "arena/*": "votes and labels: see tests/arena",
    "backends/factory.py": "names of options",
    "backends/openai/client.py": "error messages of endpoints, cut to a fixed length first",
    "backends/openai/events.py": "READERS",
    "backends/openai/failures.py": "one header",
    "backends/openai/http_status.py": "error messages of endpoints, cut to a fixed length first",
    "backends/options.py": "names of options",
    "backends/samples_formats.py": "names of files",
    "cli/tables.py": "descriptions of options",
    "cluster/executor.py": "an address of the user",
    "data/*": "task cards and data of the user",
    "generation/infilling_formats.py": "a model's configuration",
    "metrics/passk.py": "imports the module `math` alone",
    "metrics/tokenizing.py": "READERS",
    "pipeline/machine.py": "the machine's own files",
    "pipeline/shard.py": "an option",
    "report/compare/examples.py": "indents lines",
    "report/every_eval_ever/model.py": "names of models and hosts of endpoints",
    "report/frontier/*": "names of runs",
    "report/leaderboard/*": "names of runs",
    "report/page/*": "names of runs, and the template of the page",
    "report/sample_text.py": "names of problems",
    "sandbox/engines/images.py": "the project's own files",
    "sandbox/languages.py": "the project's own files",
    "sandbox/tampering/*": "see tests/sandbox/tampering",
    "util/files.py": "messages of the operating system",
    "util/python_syntax.py": "used by the above",
    "util/suggest.py": "names",
    "util/text.py": "READERS",
    "util/visible.py": "READERS",
}
"""Modules that have the means to read texts, and what they read with them, or which test covers them."""
MEANS = {"re", "re2", "ast", "tokenize", "markdown_it", "textwrap", "difflib", "string", "html", "csv", "tokenizers"}
NOT_HOST = ("sandbox/agent/", "training/", "diffusion/", "model_server/")


def row(text: str) -> str:
    return json.dumps({"task_id": "a", "sample_id": 0, "solution": text})


@cache
def megabyte(shape: str) -> str:
    return SHAPES[shape](MAX_TEXT_BYTES)


@pytest.mark.parametrize("shapes", [QUICK, pytest.param(tuple(SHAPES), marks=pytest.mark.slow)], ids=["quick", "all"])
@pytest.mark.parametrize("name", READERS)
def test_a_reader_takes_less_than_a_second_for_a_megabyte_of_any_shape(name: str, shapes: tuple[str, ...]) -> None:
    slow = {}
    for shape in shapes:
        text = megabyte(shape)
        start = time.thread_time()
        READERS[name](text)
        if (seconds := time.thread_time() - start) > SLOWER.get(name, MAX_S):
            slow[shape] = round(seconds, 2)
    assert slow == {}


@pytest.mark.parametrize("shape", ["closing braces", "definitions"])
@pytest.mark.parametrize("name", BOUNDED)
def test_a_bounded_reader_neither_works_in_this_process_nor_holds_it_up(name: str, shape: str) -> None:
    text, start, wall = SHAPES[shape](MAX_TEXT_BYTES), time.thread_time(), time.monotonic()
    with contextlib.suppress(LimitExceeded):
        extracted(name)(text)
    assert time.thread_time() - start < 0.5
    assert time.monotonic() - wall < 30


@pytest.mark.slow
@pytest.mark.parametrize("name", BOUNDED)
def test_a_bounded_reader_ends_with_every_shape(name: str) -> None:
    for make in SHAPES.values():
        with contextlib.suppress(LimitExceeded):
            assert isinstance(extracted(name)(make(MAX_TEXT_BYTES)), programs.ExtractedProgram)


def test_rows_of_all_shapes_are_read(tmp_path: Path) -> None:
    rows = [Completion("a", number, make(100_000)) for number, make in enumerate(SHAPES.values())]
    (tmp_path / "completions.jsonl").write_text("".join(json.dumps(row_to_json(row)) + "\n" for row in rows))
    verdicts = [Verdict("a", row.sample_id, False, "failed", detail=row.text) for row in rows]
    (tmp_path / "verdicts.jsonl").write_text("".join(json.dumps(row_to_json(row)) + "\n" for row in verdicts))
    assert list(read_completions(tmp_path)) == rows
    assert list(read_verdicts(tmp_path)) == verdicts


def test_every_module_that_can_read_texts_is_listed() -> None:
    unlisted, used = [], set()
    for path in sorted(PACKAGE.rglob("*.py")):
        name = str(path.relative_to(PACKAGE))
        if name.startswith(NOT_HOST) or not MEANS & imported(path):
            continue
        entry = next((entry for entry in TRUSTED if Path(name).match(entry) or name.startswith(entry.rstrip("*"))), "")
        unlisted += [] if entry else [name]
        used.add(entry)
    assert unlisted == [], "list the module in TRUSTED, and its readers of samples in READERS or BOUNDED"
    assert set(TRUSTED) - used == set(), "no longer needed in TRUSTED"


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.split(".")[0])
    return {"re" if name.startswith("tree_sitter") else name for name in names}
