"""Decontamination: keeps benchmark problems out of the training data.

A document is dropped if it shares with any prompt, solution or test a run of 20 code tokens, a sentence of eight words
or more, or a function name with its parameters.
"""

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from evalharness.data.files import read_records

RUN_LENGTH = 20
"""Consecutive code tokens that a document may not share with a benchmark."""
MIN_WORDS = 8
"""Words from which a sentence shared with a benchmark counts as an overlap."""
TOKEN = re.compile(r"[A-Za-z_]\w*|\d+|[^\s\w]")
WORD = re.compile(r"[a-z0-9_]+")
SENTENCE_END = re.compile(
    r"[.!?:;](?:\s|$)|\n\s*\n|>>>|\"\"\"|'''|\n\s*(?:[-*#]|assert\b|def\b)|\bYour code should pass these tests"
)
SIGNATURE = re.compile(r"\bdef\s+(\w+)\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
POWERS = np.cumprod(np.full(RUN_LENGTH, MULTIPLIER, dtype=np.uint64))
OverlapKind = Literal["run", "sentence", "signature"]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class BenchmarkExcerpts:
    """The excerpts of benchmark data (token runs, sentences, signatures) that no training document may contain.

    `runs` are the sorted hashes of all runs of 20 consecutive code tokens; `sentences` are those of at least eight
    words; `signatures` are function names with their parameter names.
    """

    runs: Hashes
    sentences: frozenset[str]
    signatures: frozenset[str]

    def find_overlap(self, text: str) -> OverlapKind | None:
        """Returns the kind of excerpt a text shares with a benchmark, such as "sentence"; None if there is none."""
        if not self.signatures.isdisjoint(find_function_signatures(text)):
            return "signature"
        if not self.sentences.isdisjoint(find_long_sentences(text)):
            return "sentence"
        hashes = hash_token_runs(text)
        if len(hashes) and len(self.runs):
            indices = np.minimum(np.searchsorted(self.runs, hashes), len(self.runs) - 1)
            if (self.runs[indices] == hashes).any():
                return "run"
        return None


def read_benchmark_excerpts(folders: Iterable[Path]) -> BenchmarkExcerpts:
    """Returns the token runs, sentences and signatures of all benchmark data files below the given folders."""
    texts: set[str] = set()
    for folder in folders:
        for path in find_benchmark_files(folder):
            for record in read_records(path):
                texts.update(_iterate_benchmark_strings(record))
    return collect_benchmark_excerpts(texts)


def find_benchmark_files(folder: Path) -> Iterator[Path]:
    """Yields the benchmark data files (.json, .jsonl, .jsonl.gz) below a folder, sorted by path."""
    return (path for path in sorted(folder.rglob("*")) if path.name.endswith((".json", ".jsonl", ".jsonl.gz")))


def collect_benchmark_excerpts(texts: Iterable[str]) -> BenchmarkExcerpts:
    """Returns the token runs, sentences and signatures of the given benchmark texts."""
    hashes, all_sentences, all_signatures = [np.empty(0, dtype=np.uint64)], set[str](), set[str]()
    for text in texts:
        hashes.append(hash_token_runs(text))
        all_sentences.update(find_long_sentences(text))
        all_signatures.update(find_function_signatures(text))
    return BenchmarkExcerpts(np.unique(np.concatenate(hashes)), frozenset(all_sentences), frozenset(all_signatures))


def _iterate_benchmark_strings(record_part: Any) -> Iterator[str]:
    """Yields the strings in a benchmark record (a JSON value), except very short or long ones and test inputs."""
    if isinstance(record_part, str):
        if 8 <= len(record_part) <= 100_000:
            yield record_part
    elif isinstance(record_part, dict):
        for key, item in record_part.items():
            if not key.endswith("_input") and not key.endswith("_test_cases"):
                yield from _iterate_benchmark_strings(item)
    elif isinstance(record_part, list):
        for item in record_part:
            yield from _iterate_benchmark_strings(item)


def hash_token_runs(text: str) -> Hashes:
    """Returns the hashes of all runs of 20 consecutive code tokens in a text; whitespace is ignored."""
    tokens = np.array([zlib.crc32(token.encode()) for token in TOKEN.findall(text)], dtype=np.uint64)
    if len(tokens) < RUN_LENGTH:
        return np.empty(0, dtype=np.uint64)
    # Unsigned products wrap around, as a polynomial hash requires.
    hashes: Hashes = (np.lib.stride_tricks.sliding_window_view(tokens, RUN_LENGTH) * POWERS).sum(
        axis=1, dtype=np.uint64
    )
    return hashes


def find_long_sentences(text: str) -> Iterator[str]:
    """Yields the sentences of a text that have at least eight words, in lower case with single spaces."""
    for part in SENTENCE_END.split(text):
        words = WORD.findall(part.lower())
        if len(words) >= MIN_WORDS:
            yield " ".join(words)


def find_function_signatures(text: str) -> Iterator[str]:
    """Yields the signatures of the functions in a text, such as `f(a,b)`: name and parameter names."""
    for name, listed in SIGNATURE.findall(text):
        params = re.sub(r"\[[^\[\]]*(?:\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\][^\[\]]*)*\]", "", listed).split(",")
        yield f"{name}({','.join(re.split('[:=]', param)[0].strip() for param in params)})"
