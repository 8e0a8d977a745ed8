"""Prints how many documents of a finished training corpus overlap with the benchmarks or the samples; {} means none.

EVALHARNESS_DATA=DIR python benchmarks/corpus_overlap.py training/corpus
"""

import sys
from pathlib import Path

from tokenizers import Tokenizer

from evalharness.training.corpus.build import CORPUS_FILE, count_benchmark_overlaps, find_benchmark_folders
from evalharness.training.corpus.decontamination import read_benchmark_excerpts
from evalharness.training.corpus.encoding import load_corpus

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    print(
        dict(
            count_benchmark_overlaps(
                read_benchmark_excerpts(find_benchmark_folders()), load_corpus(folder / CORPUS_FILE), tokenizer
            )
        )
    )
