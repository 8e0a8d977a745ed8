"""Makes a training corpus: documents, tokenizer, token files and the data card."""

import hashlib
import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from evalharness.errors import UserError
from evalharness.training.corpus.card import card_text
from evalharness.training.corpus.decontaminate import Benchmarks, benchmark_files, read_benchmarks
from evalharness.training.corpus.encoding import Corpus, encode, load_corpus, save_corpus
from evalharness.training.corpus.generator import functions
from evalharness.training.corpus.library import Package, packages, snippets
from evalharness.training.corpus.tokenizer import train_tokenizer
from evalharness.training.corpus.views import Document, documents, in_order, with_gap
from evalharness.training.recipe import Data
from evalharness.util.paths import bundled

FILE = "corpus.npz"


def build_corpus(data: Data, folder: Path, tokenizer: Tokenizer | None = None) -> tuple[Corpus, Tokenizer]:
    """The corpus in `folder`, made there first if it is not there for the same settings.

    It is encoded by `tokenizer`, or by one trained on it.
    """
    settings = folder / "settings.json"
    wanted = data.model_dump_json(indent=2)
    if tokenizer is not None:
        wanted += f"\ntokenizer {hashlib.sha256(tokenizer.to_str().encode()).hexdigest()}\n"
    if not (settings.exists() and settings.read_text() == wanted):
        folder.mkdir(parents=True, exist_ok=True)
        _make(data, folder, tokenizer)
        settings.write_text(wanted)
    return load_corpus(folder / FILE), Tokenizer.from_file(str(folder / "tokenizer.json"))


def benchmark_folders() -> list[Path]:
    """Where the benchmark data lies: $EVALHARNESS_DATA and the bundled samples. Raises UserError if it has none."""
    root = os.environ.get("EVALHARNESS_DATA")
    if not root or not any(benchmark_files(Path(root))):
        raise UserError(
            "decontamination needs the benchmark data; set EVALHARNESS_DATA to a folder with it, or decontaminate: "
            "false for a trial"
        )
    return [Path(root), bundled("tasks") / "samples"]


def shared_with(benchmarks: Benchmarks, corpus: Corpus, tokenizer: Tokenizer) -> Counter[str]:
    """How many documents of a finished corpus share something with the benchmarks, by what it is: none should.

    A document with a gap is looked at as a whole.
    """
    found = Counter[str]()
    for number in range(len(corpus)):
        text = in_order(tokenizer.decode(corpus.document(number)[:-1].tolist(), skip_special_tokens=False))
        reason = benchmarks.overlap(text)
        if reason:
            found[reason] += 1
    return found


def _make(data: Data, folder: Path, tokenizer: Tokenizer | None) -> None:
    benchmarks = read_benchmarks(benchmark_folders()) if data.decontaminate else None
    card: dict[str, Any] = {"settings": data.model_dump(), "dropped": Counter(), "packages": {}}
    # The documents of one function stay together: what is held out is of other functions than what is learned.
    functions = [*_generated(data, benchmarks, card["dropped"]), *([d] for d in _library(data, benchmarks, card))]
    Random(data.seed).shuffle(functions)
    kept = [document for views in functions for document in views]
    if tokenizer is None:
        tokenizer = train_tokenizer((d.prompt + d.answer for d in kept[:40_000]), data.vocabulary)
    tokenizer.save(str(folder / "tokenizer.json"))
    lengths = [len(text.ids) for text in tokenizer.encode_batch([d.prompt + d.answer for d in kept])]
    # Some room is left for what encoding prompt and answer apart, and the end token, add.
    short = [d for d, length in zip(kept, lengths, strict=True) if length + 8 < data.longest]
    card["dropped"]["too long"] = len(kept) - len(short)
    corpus = encode([(d.prompt, d.answer) for d in short], tokenizer, data.held_out)
    save_corpus(corpus, folder / FILE)
    counts = Counter[str]()
    for document, size in zip(short, np.diff(corpus.starts).tolist(), strict=True):
        origin, _, package = document.family.partition(":")
        counts[f"tokens of view {document.kind}"] += size
        counts[f"documents of view {document.kind}"] += 1
        counts[f"tokens of family {origin}"] += size
        if package:
            card["packages"][package]["tokens"] += size
    card |= {"documents": len(corpus), "tokens": len(corpus.tokens), "counts": dict(sorted(counts.items()))}
    (folder / "data_card.json").write_text(json.dumps(card, indent=2) + "\n")
    (folder / "DATA_CARD.md").write_text(card_text(card))


def _generated(data: Data, benchmarks: Benchmarks | None, dropped: Counter[str]) -> Iterator[list[Document]]:
    """The documents of each function."""
    random = Random(data.seed + 1)
    for function, cases in itertools.islice(functions(data.seed), data.functions):
        views = documents(function, cases, random, data.gaps)
        yield [document for view in views for document in _clean(view, benchmarks, dropped, "generated")]


def _library(data: Data, benchmarks: Benchmarks | None, card: dict[str, Any]) -> list[Document]:
    """Functions of the library, half of them with a gap. Which ones is drawn over all packages."""
    if not data.library:
        return []
    random = Random(data.seed + 2)
    files = [(package, path) for package in packages() for path in package.files]
    random.shuffle(files)
    found: list[Document] = []
    seen: set[str] = set()
    for package, path in files:
        for snippet in snippets(path):
            text = snippet.head + snippet.body
            if text in seen:
                continue
            seen.add(text)
            family = f"library:{package.name}"
            whole = Document(snippet.head, snippet.body, "completion", family)
            document = with_gap(snippet.head, snippet.body, random, family) if random.random() < 0.5 else whole
            kept = list(_clean(document, benchmarks, card["dropped"], "library"))
            found += kept
            if kept:
                _note(card, package)
        if len(found) >= data.library:
            break
    return found[: data.library]


def _note(card: dict[str, Any], package: Package) -> None:
    entry = {"version": package.version, "licence": package.licence.strip()[:80], "tokens": 0}
    card["packages"].setdefault(package.name, entry)


def _clean(document: Document, benchmarks: Benchmarks | None, dropped: Counter[str], origin: str) -> Iterator[Document]:
    """The document, unless it shares something with a benchmark."""
    reason = None if benchmarks is None else benchmarks.overlap(in_order(document.prompt + document.answer))
    if reason:
        dropped[f"{origin}: {reason}"] += 1
    else:
        yield document
