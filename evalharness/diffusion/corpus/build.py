"""Makes a training corpus: documents, tokenizer, token files and the data card."""

import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from evalharness.diffusion.corpus.decontaminate import Benchmarks, read_benchmarks
from evalharness.diffusion.corpus.generator import functions
from evalharness.diffusion.corpus.library import Package, packages, snippets
from evalharness.diffusion.corpus.tokenizer import END, train_tokenizer
from evalharness.diffusion.corpus.views import Document, documents, with_gap
from evalharness.diffusion.recipe import Data
from evalharness.errors import UserError
from evalharness.paths import bundled

FILE = "corpus.npz"


@dataclass(frozen=True)
class Corpus:
    """Encoded documents: number i is tokens[starts[i]:starts[i + 1]], and its prompt is splits[i] long."""

    tokens: npt.NDArray[np.uint16]
    starts: npt.NDArray[np.int64]
    splits: npt.NDArray[np.int32]
    held_out: int
    """The last so many documents are not trained on."""

    def __len__(self) -> int:
        return len(self.splits)

    def document(self, number: int) -> npt.NDArray[np.uint16]:
        """The tokens of a document, its end token included."""
        return self.tokens[self.starts[number] : self.starts[number + 1]]


def build_corpus(data: Data, folder: Path) -> tuple[Corpus, Tokenizer]:
    """The corpus in `folder`, made there first if it is not there for the same settings."""
    settings = folder / "settings.json"
    wanted = data.model_dump_json(indent=2)
    if not (settings.exists() and settings.read_text() == wanted):
        folder.mkdir(parents=True, exist_ok=True)
        _make(data, folder)
        settings.write_text(wanted)
    with np.load(folder / FILE) as arrays:
        corpus = Corpus(arrays["tokens"], arrays["starts"], arrays["splits"], data.held_out)
    return corpus, Tokenizer.from_file(str(folder / "tokenizer.json"))


def benchmark_folders() -> list[Path]:
    """Where the benchmark data lies: $EVALHARNESS_DATA and the bundled samples. Raises UserError if it is not set."""
    root = os.environ.get("EVALHARNESS_DATA")
    if not root or not Path(root).is_dir():
        raise UserError(
            "decontamination needs the benchmark data; set EVALHARNESS_DATA, or decontaminate: false for a trial"
        )
    return [Path(root), bundled("tasks") / "samples"]


def _make(data: Data, folder: Path) -> None:
    benchmarks = read_benchmarks(benchmark_folders()) if data.decontaminate else None
    card: dict[str, Any] = {"settings": data.model_dump(), "dropped": Counter(), "packages": {}}
    kept = [*_generated(data, benchmarks, card["dropped"]), *_library(data, benchmarks, card)]
    Random(data.seed).shuffle(kept)
    tokenizer = train_tokenizer((d.prompt + d.answer for d in kept[:40_000]), data.vocabulary)
    tokenizer.save(str(folder / "tokenizer.json"))
    end = tokenizer.token_to_id(END)
    prompts = tokenizer.encode_batch([d.prompt for d in kept])
    answers = tokenizer.encode_batch([d.answer for d in kept])
    pieces, starts, splits, counts = [], [0], [], Counter[str]()
    for document, prompt, answer in zip(kept, prompts, answers, strict=True):
        ids = [*prompt.ids, *answer.ids, end]
        if len(ids) > data.longest:
            card["dropped"]["too long"] += 1
            continue
        pieces.append(np.array(ids, dtype=np.uint16))
        starts.append(starts[-1] + len(ids))
        splits.append(len(prompt.ids))
        counts[f"tokens of {document.kind}"] += len(ids)
        counts[f"documents of {document.kind}"] += 1
        counts[f"tokens of family {document.family.split(':')[0].split('-')[0]}"] += len(ids)
        if document.family.startswith("library:"):
            card["packages"][document.family.partition(":")[2]]["tokens"] += len(ids)
    np.savez(folder / FILE, tokens=np.concatenate(pieces), starts=np.array(starts), splits=np.array(splits, np.int32))
    card |= {"documents": len(splits), "tokens": starts[-1], "counts": dict(sorted(counts.items()))}
    (folder / "data_card.json").write_text(json.dumps(card, indent=2) + "\n")


def _generated(data: Data, benchmarks: Benchmarks | None, dropped: Counter[str]) -> Iterator[Document]:
    random = Random(data.seed + 1)
    for function, cases in itertools.islice(functions(data.seed), data.functions):
        for document in documents(function, cases, random, data.gaps):
            yield from _clean(document, benchmarks, dropped, "generated")


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
    reason = None if benchmarks is None else benchmarks.overlap(document.prompt + document.answer)
    if reason:
        dropped[f"{origin}: {reason}"] += 1
    else:
        yield document
