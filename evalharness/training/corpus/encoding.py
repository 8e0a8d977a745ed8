"""The encoded (tokenized) training corpus, and the .npz file that stores it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from evalharness.training.corpus.tokenizer import END


@dataclass(frozen=True)
class Corpus:
    """The encoded (tokenized) documents of a training corpus.

    Document i is tokens[starts[i]:starts[i + 1]], and its first prompt_lengths[i] tokens are the prompt.
    """

    tokens: npt.NDArray[np.uint16]
    starts: npt.NDArray[np.int64]
    prompt_lengths: npt.NDArray[np.int32]
    held_out: int
    """The last `held_out` documents are only evaluated, not trained on."""

    def __len__(self) -> int:
        return len(self.prompt_lengths)

    def document_tokens(self, document_number: int) -> npt.NDArray[np.uint16]:
        """Returns the token ids of the document with this number, including its end token."""
        return self.tokens[self.starts[document_number] : self.starts[document_number + 1]]


def encode_corpus(prompts_and_answers: Sequence[tuple[str, str]], tokenizer: Tokenizer, held_out_count: int) -> Corpus:
    """Returns the tokenized corpus of (prompt, answer) pairs, with an end token after each answer.

    The last `held_out_count` pairs are for evaluation. Prompt and answer are tokenized separately, as at inference,
    where only the prompt is given.
    """
    end = tokenizer.token_to_id(END)
    prompts = tokenizer.encode_batch([prompt for prompt, _ in prompts_and_answers])
    answers = tokenizer.encode_batch([answer for _, answer in prompts_and_answers])
    texts = [[*prompt.ids, *answer.ids, end] for prompt, answer in zip(prompts, answers, strict=True)]
    starts = np.cumsum([0, *map(len, texts)])
    prompt_lengths = np.array([len(prompt.ids) for prompt in prompts], np.int32)
    return Corpus(
        np.array([token for text in texts for token in text], np.uint16), starts, prompt_lengths, held_out_count
    )


def save_corpus(corpus: Corpus, path: Path) -> None:
    """Writes a tokenized corpus to an .npz file."""
    np.savez(path, tokens=corpus.tokens, starts=corpus.starts, splits=corpus.prompt_lengths, held_out=corpus.held_out)


def load_corpus(path: Path) -> Corpus:
    """Returns the tokenized corpus in an .npz file that `save_corpus` wrote."""
    with np.load(path) as arrays:
        return Corpus(arrays["tokens"], arrays["starts"], arrays["splits"], int(arrays["held_out"]))
