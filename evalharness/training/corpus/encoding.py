"""Encoded documents and the file that holds them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from evalharness.training.corpus.tokenizer import END


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


def encode(pairs: Sequence[tuple[str, str]], tokenizer: Tokenizer, held_out: int) -> Corpus:
    """Prompts and answers, encoded apart as in use, where the prompt is given; an end token follows each answer."""
    end = tokenizer.token_to_id(END)
    prompts = tokenizer.encode_batch([prompt for prompt, _ in pairs])
    answers = tokenizer.encode_batch([answer for _, answer in pairs])
    texts = [[*prompt.ids, *answer.ids, end] for prompt, answer in zip(prompts, answers, strict=True)]
    starts = np.cumsum([0, *map(len, texts)])
    splits = np.array([len(prompt.ids) for prompt in prompts], np.int32)
    return Corpus(np.array([token for text in texts for token in text], np.uint16), starts, splits, held_out)


def save_corpus(corpus: Corpus, path: Path) -> None:
    """Writes the corpus as an .npz file."""
    np.savez(path, tokens=corpus.tokens, starts=corpus.starts, splits=corpus.splits, held_out=corpus.held_out)


def load_corpus(path: Path) -> Corpus:
    """The inverse of `save_corpus`."""
    with np.load(path) as arrays:
        return Corpus(arrays["tokens"], arrays["starts"], arrays["splits"], int(arrays["held_out"]))
