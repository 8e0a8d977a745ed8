"""Builds a training corpus: documents, tokenizer, encoded tokens and the data card."""

import hashlib
import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from random import Random

import numpy as np
from pydantic import ValidationError
from tokenizers import Tokenizer

from evalharness.errors import UserError
from evalharness.training.corpus.data_card import DataCard, PackageEntry, data_card_markdown
from evalharness.training.corpus.decontamination import BenchmarkExcerpts, find_benchmark_files, read_benchmark_excerpts
from evalharness.training.corpus.encoding import Corpus, encode_corpus, load_corpus, save_corpus
from evalharness.training.corpus.generated.stream import generate_functions
from evalharness.training.corpus.library import find_documented_functions, find_permissive_packages
from evalharness.training.corpus.tokenizer import train_tokenizer
from evalharness.training.corpus.views import (
    TrainingDocument,
    make_infilling_document,
    make_training_documents,
    move_infilling_middle_into_place,
)
from evalharness.training.recipe import CorpusSettings
from evalharness.util.paths import bundled_folder

CORPUS_FILE = "corpus.npz"
TOKENIZER_LINE = "\ntokenizer "
"""In `settings.json`, the start of the line with the digest of the tokenizer that was passed in."""


def load_or_build_corpus(
    corpus_settings: CorpusSettings, corpus_folder: Path, tokenizer: Tokenizer | None = None
) -> tuple[Corpus, Tokenizer]:
    """Returns the training corpus and its tokenizer.

    They are loaded from `corpus_folder` if it has them with the same settings, else built and stored there. The corpus
    is encoded with `tokenizer`; without one, a new tokenizer is trained on the corpus.
    """
    settings = corpus_folder / "settings.json"
    if not (settings.exists() and _corpus_was_built_with(settings.read_text(), corpus_settings, tokenizer)):
        corpus_folder.mkdir(parents=True, exist_ok=True)
        _write_corpus(corpus_settings, corpus_folder, tokenizer)
        settings.write_text(corpus_settings.model_dump_json(indent=2) + _tokenizer_digest_line(tokenizer))
    return load_corpus(corpus_folder / CORPUS_FILE), Tokenizer.from_file(str(corpus_folder / "tokenizer.json"))


def _corpus_was_built_with(settings_json: str, corpus_settings: CorpusSettings, tokenizer: Tokenizer | None) -> bool:
    """Returns whether `settings_json`, the content of a corpus's `settings.json`, has the given settings and tokenizer.

    Former names of settings are accepted.
    """
    values, separator, digest = settings_json.partition(TOKENIZER_LINE)
    try:
        return CorpusSettings.model_validate_json(
            values
        ) == corpus_settings and separator + digest == _tokenizer_digest_line(tokenizer)
    except ValidationError:
        return False


def _tokenizer_digest_line(tokenizer: Tokenizer | None) -> str:
    if tokenizer is None:
        return ""
    return f"{TOKENIZER_LINE}{hashlib.sha256(tokenizer.to_str().encode()).hexdigest()}\n"


def find_benchmark_folders() -> list[Path]:
    """Returns the folders with benchmark data for decontamination: $EVALHARNESS_DATA and the bundled samples.

    Raises UserError if $EVALHARNESS_DATA has no benchmark data.
    """
    root = os.environ.get("EVALHARNESS_DATA")
    if not root or not any(find_benchmark_files(Path(root))):
        raise UserError(
            "the benchmark data, which must not be trained on, are not available for decontamination; set the "
            "environment variable EVALHARNESS_DATA to their folder, or, for a trial, set decontaminate: false in the "
            "recipe"
        )
    return [Path(root), bundled_folder("tasks") / "samples"]


def count_benchmark_overlaps(benchmarks: BenchmarkExcerpts, corpus: Corpus, tokenizer: Tokenizer) -> Counter[str]:
    """Returns how many documents of a finished corpus overlap with the benchmarks, by kind of overlap.

    A decontaminated corpus has no such document. Before the check, the middle of an infilling document is moved back
    between prefix and suffix.
    """
    overlaps = Counter[str]()
    for number in range(len(corpus)):
        text = move_infilling_middle_into_place(
            tokenizer.decode(corpus.document_tokens(number)[:-1].tolist(), skip_special_tokens=False)
        )
        reason = benchmarks.find_overlap(text)
        if reason:
            overlaps[reason] += 1
    return overlaps


def _write_corpus(corpus_settings: CorpusSettings, folder: Path, tokenizer: Tokenizer | None) -> None:
    benchmarks = read_benchmark_excerpts(find_benchmark_folders()) if corpus_settings.decontaminate else None
    card = DataCard(corpus_settings.model_dump())
    # The documents of one function stay together, so that held-out functions are not trained on in another view.
    groups = [
        *_make_documents_of_generated_functions(corpus_settings, benchmarks, card),
        *([d] for d in _make_documents_of_library_functions(corpus_settings, benchmarks, card)),
    ]
    Random(corpus_settings.seed).shuffle(groups)
    documents = [document for group in groups for document in group]
    if tokenizer is None:
        tokenizer = train_tokenizer((d.prompt + d.answer for d in documents[:40_000]), corpus_settings.vocabulary)
    tokenizer.save(str(folder / "tokenizer.json"))
    lengths = [len(text.ids) for text in tokenizer.encode_batch([d.prompt + d.answer for d in documents])]
    # Encoding prompt and answer separately, and the end token, can add a few tokens.
    short = [d for d, length in zip(documents, lengths, strict=True) if length + 8 < corpus_settings.longest]
    card.dropped["too long"] = len(documents) - len(short)
    corpus = encode_corpus([(d.prompt, d.answer) for d in short], tokenizer, corpus_settings.held_out)
    save_corpus(corpus, folder / CORPUS_FILE)
    counts = Counter[str]()
    for document, size in zip(short, np.diff(corpus.starts).tolist(), strict=True):
        origin, _, package = document.family.partition(":")
        counts[f"tokens of view {document.kind}"] += size
        counts[f"documents of view {document.kind}"] += 1
        counts[f"tokens of family {origin}"] += size
        if package:
            card.packages[package].tokens += size
    card.documents, card.tokens, card.counts = len(corpus), len(corpus.tokens), dict(sorted(counts.items()))
    (folder / "data_card.json").write_text(json.dumps(asdict(card), indent=2) + "\n")
    (folder / "DATA_CARD.md").write_text(data_card_markdown(card))


def _make_documents_of_generated_functions(
    corpus_settings: CorpusSettings, benchmarks: BenchmarkExcerpts | None, card: DataCard
) -> Iterator[list[TrainingDocument]]:
    """Yields the training documents of each generated function, without those that overlap with a benchmark.

    Dropped documents are counted in `card`.
    """
    random = Random(corpus_settings.seed + 1)
    for function, cases in itertools.islice(generate_functions(corpus_settings.seed), corpus_settings.functions):
        views = make_training_documents(function, cases, random, corpus_settings.infilling)
        yield [
            document for view in views for document in _yield_unless_overlapping(view, benchmarks, card, "generated")
        ]


def _make_documents_of_library_functions(
    corpus_settings: CorpusSettings, benchmarks: BenchmarkExcerpts | None, card: DataCard
) -> list[TrainingDocument]:
    """Returns training documents of functions in randomly chosen files of installed packages.

    Half of them are infilling documents. Used packages and dropped documents are recorded in `card`.
    """
    if not corpus_settings.library:
        return []
    random = Random(corpus_settings.seed + 2)
    files = [(package, path) for package in find_permissive_packages() for path in package.files]
    random.shuffle(files)
    documents: list[TrainingDocument] = []
    seen: set[str] = set()
    for package, path in files:
        for snippet in find_documented_functions(path):
            text = snippet.head + snippet.body
            if text in seen:
                continue
            seen.add(text)
            family = f"library:{package.name}"
            whole = TrainingDocument(snippet.head, snippet.body, "completion", family)
            document = (
                make_infilling_document(snippet.head, snippet.body, random, family) if random.random() < 0.5 else whole
            )
            for clean in _yield_unless_overlapping(document, benchmarks, card, "library"):
                documents.append(clean)
                entry = PackageEntry(package.version, package.license.strip()[:80])
                card.packages.setdefault(package.name, entry)
        if len(documents) >= corpus_settings.library:
            break
    return documents[: corpus_settings.library]


def _yield_unless_overlapping(
    document: TrainingDocument, benchmarks: BenchmarkExcerpts | None, card: DataCard, origin: str
) -> Iterator[TrainingDocument]:
    """Yields the document unless it overlaps with a benchmark.

    A dropped document is counted in `card` by `origin` ("generated" or "library") and by kind of overlap.
    """
    reason = (
        None
        if benchmarks is None
        else benchmarks.find_overlap(move_infilling_middle_into_place(document.prompt + document.answer))
    )
    if reason:
        name = f"{origin}: {reason}"
        card.dropped[name] = card.dropped.get(name, 0) + 1
    else:
        yield document
