"""Keeps benchmark problems out of the training data.

A document is dropped that shares with any prompt, solution or test a run of 20 code tokens, a sentence of eight words
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

RUN = 20
WORDS = 8
TOKEN = re.compile(r"[A-Za-z_]\w*|\d+|[^\s\w]")
WORD = re.compile(r"[a-z0-9_]+")
END = re.compile(
    r"[.!?:;](?:\s|$)|\n\s*\n|>>>|\"\"\"|'''|\n\s*(?:[-*#]|assert\b|def\b)|\bYour code should pass these tests"
)
SIGNATURE = re.compile(r"\bdef\s+(\w+)\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
POWERS = np.cumprod(np.full(RUN, MULTIPLIER, dtype=np.uint64))
Reason = Literal["run", "sentence", "signature"]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Benchmarks:
    """What no document may share: hashes of token runs (sorted), sentences, and functions with parameter names."""

    runs: Hashes
    sentences: frozenset[str]
    signatures: frozenset[str]

    def overlap(self, text: str) -> Reason | None:
        """What the text shares, if anything."""
        if not self.signatures.isdisjoint(signatures(text)):
            return "signature"
        if not self.sentences.isdisjoint(sentences(text)):
            return "sentence"
        found = runs(text)
        if len(found) and len(self.runs):
            places = np.minimum(np.searchsorted(self.runs, found), len(self.runs) - 1)
            if (self.runs[places] == found).any():
                return "run"
        return None


def read_benchmarks(folders: Iterable[Path]) -> Benchmarks:
    """All that is in the data files (.json, .jsonl, .jsonl.gz) below these folders."""
    texts: set[str] = set()
    for folder in folders:
        for path in benchmark_files(folder):
            for record in read_records(path):
                texts.update(_texts(record))
    return collect(texts)


def benchmark_files(folder: Path) -> Iterator[Path]:
    """The data files below a folder, in order."""
    return (path for path in sorted(folder.rglob("*")) if path.name.endswith((".json", ".jsonl", ".jsonl.gz")))


def collect(texts: Iterable[str]) -> Benchmarks:
    """What documents may not share with these texts."""
    hashes, said, named = [np.empty(0, dtype=np.uint64)], set[str](), set[str]()
    for text in texts:
        hashes.append(runs(text))
        said.update(sentences(text))
        named.update(signatures(text))
    return Benchmarks(np.unique(np.concatenate(hashes)), frozenset(said), frozenset(named))


def _texts(value: Any) -> Iterator[str]:
    """All strings in a record; of long test inputs, which are no code, none."""
    if isinstance(value, str):
        if 8 <= len(value) <= 100_000:
            yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            if not key.endswith("_input") and not key.endswith("_test_cases"):
                yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def runs(text: str) -> Hashes:
    """A hash of each run of 20 tokens; spaces do not matter."""
    tokens = np.array([zlib.crc32(token.encode()) for token in TOKEN.findall(text)], dtype=np.uint64)
    if len(tokens) < RUN:
        return np.empty(0, dtype=np.uint64)
    # Unsigned products wrap around, as a polynomial hash needs them to.
    found: Hashes = (np.lib.stride_tricks.sliding_window_view(tokens, RUN) * POWERS).sum(axis=1, dtype=np.uint64)
    return found


def sentences(text: str) -> Iterator[str]:
    """Sentences of eight words or more, in lower case and with single spaces."""
    for part in END.split(text):
        words = WORD.findall(part.lower())
        if len(words) >= WORDS:
            yield " ".join(words)


def signatures(text: str) -> Iterator[str]:
    """Names of functions with the names of their parameters."""
    for name, listed in SIGNATURE.findall(text):
        params = re.sub(r"\[[^\[\]]*(?:\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\][^\[\]]*)*\]", "", listed).split(",")
        yield f"{name}({','.join(re.split('[:=]', param)[0].strip() for param in params)})"
