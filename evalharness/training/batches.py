"""Groups training documents of similar length into batches, and makes their tensors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from evalharness.training.corpus.encoding import Corpus

DocumentNumbers = npt.NDArray[np.int64]
LENGTH_STEP = 16
"""Texts are padded to a multiple of this length, because the CPU prepares its matrix products again for every new
shape.
"""
POOL = 4096
"""Number of shuffled documents that are sorted by length to form batches of similar lengths."""


@dataclass(frozen=True)
class TrainingBatch:
    """A training batch: documents for the next-token loss, and copies of their answers for the denoising loss.

    A document is [prompt, answer, end token]. `tokens` [B, L] are the token ids of the padded documents; `lengths` and
    `prompt_lengths` [B] are the numbers of tokens of the documents and of their prompts. `answers` [B, M] are copies of
    the answers with their end tokens, padded with further end tokens; M is a multiple of the block length `block`. The
    training step masks tokens of these copies; each copy's clean context is its document.
    """

    tokens: Tensor
    lengths: Tensor
    prompt_lengths: Tensor
    answers: Tensor
    block: int

    @property
    def answer_token_count(self) -> int:
        """The number of tokens of all answers in the batch, including end tokens."""
        return int((self.lengths - self.prompt_lengths).sum())

    def to(self, device: torch.device) -> "TrainingBatch":
        """Returns the training batch with its tensors on `device`."""
        tokens, lengths, prompt_lengths, answers = (
            part.to(device, non_blocking=True)
            for part in (self.tokens, self.lengths, self.prompt_lengths, self.answers)
        )
        return TrainingBatch(tokens, lengths, prompt_lengths, answers, self.block)


def make_training_batch(
    corpus: Corpus, document_numbers: Sequence[int], block_size: int, end_id: int, pad_id: int
) -> TrainingBatch:
    """Returns the training batch of the documents with the given numbers in the corpus.

    `block_size` is the length of a diffusion block in tokens; `end_id` and `pad_id` are the ids of the end and the
    padding token.
    """
    texts = [corpus.document_tokens(row).astype(np.int64) for row in document_numbers]
    prompt_lengths = [int(corpus.prompt_lengths[row]) for row in document_numbers]
    length = -(-max(map(len, texts)) // LENGTH_STEP) * LENGTH_STEP
    longest_answer = max(len(text) - prompt_length for text, prompt_length in zip(texts, prompt_lengths, strict=True))
    blocks = -(-longest_answer // block_size)
    tokens = np.full((len(document_numbers), length), pad_id, dtype=np.int64)
    answers = np.full((len(document_numbers), blocks * block_size), end_id, dtype=np.int64)
    for row, (text, prompt_length) in enumerate(zip(texts, prompt_lengths, strict=True)):
        tokens[row, : len(text)] = text
        answers[row, : len(text) - prompt_length] = text[prompt_length:]
    return TrainingBatch(
        torch.from_numpy(tokens),
        torch.tensor([len(text) for text in texts]),
        torch.tensor(prompt_lengths),
        torch.from_numpy(answers),
        block_size,
    )


def plan_epoch_batches(
    corpus: Corpus, epoch: int, seed: int, block_size: int, max_tokens: int
) -> list[DocumentNumbers]:
    """Returns the batches of a training epoch in order, each as the numbers of its documents in the corpus.

    A batch has at most `max_tokens` tokens, or consists of one longer document. Padding counts, and so do the copies of
    the answers for the denoising loss, which are padded to a multiple of `block_size` tokens.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(corpus) - corpus.held_out)
    lengths = np.diff(corpus.starts)
    blocks = (lengths - corpus.prompt_lengths + block_size - 1) // block_size
    planned: list[DocumentNumbers] = []
    for start in range(0, len(order), POOL):
        pool = order[start : start + POOL]
        pool = pool[np.lexsort((lengths[pool], blocks[pool]))]
        planned += _split_into_batches(pool, lengths, blocks * block_size, max_tokens)
    return [planned[index] for index in random.permutation(len(planned))]


def plan_held_out_batches(
    corpus: Corpus, max_documents: int, block_size: int, max_tokens: int
) -> list[DocumentNumbers]:
    """Returns batches of the first `max_documents` held-out documents, each as its documents' numbers in the corpus.

    A batch has at most `max_tokens` tokens, counted as in `plan_epoch_batches`.
    """
    lengths = np.diff(corpus.starts)
    blocks = (lengths - corpus.prompt_lengths + block_size - 1) // block_size
    rows = np.arange(len(corpus) - corpus.held_out, len(corpus))[:max_documents]
    return _split_into_batches(
        rows[np.lexsort((lengths[rows], blocks[rows]))], lengths, blocks * block_size, max_tokens
    )


def _split_into_batches(
    document_numbers: DocumentNumbers,
    document_lengths: DocumentNumbers,
    padded_answer_lengths: npt.NDArray[Any],
    max_tokens: int,
) -> list[DocumentNumbers]:
    """Splits documents into consecutive batches of at most `max_tokens` tokens, or of one longer document.

    Padding counts. `document_lengths` and `padded_answer_lengths` are the numbers of tokens, by document number, of the
    document and of the padded copy of its answer for the denoising loss.
    """
    batches: list[DocumentNumbers] = []
    start = 0
    length = copy = 0
    for index, row in enumerate(document_numbers):
        longer, more = (
            max(length, -(-int(document_lengths[row]) // LENGTH_STEP) * LENGTH_STEP),
            max(copy, int(padded_answer_lengths[row])),
        )
        if index > start and (longer + more) * (index - start + 1) > max_tokens:
            batches.append(document_numbers[start:index])
            start, length, copy = (
                index,
                -(-int(document_lengths[row]) // LENGTH_STEP) * LENGTH_STEP,
                int(padded_answer_lengths[row]),
            )
        else:
            length, copy = longer, more
    return [*batches, document_numbers[start:]] if len(document_numbers) else []


def iterate_batches_endlessly(
    corpus: Corpus, seed: int, block_size: int, max_tokens: int, skipped_batches: int
) -> Iterator[DocumentNumbers]:
    """Yields batches endlessly, epoch after epoch, each as its documents' numbers; omits the first `skipped_batches`.

    The batches of an epoch are those of `plan_epoch_batches`, of at most `max_tokens` tokens each.
    """
    epoch = 0
    while True:
        planned = plan_epoch_batches(corpus, epoch, seed, block_size, max_tokens)
        if skipped_batches >= len(planned):
            skipped_batches -= len(planned)
        else:
            yield from planned[skipped_batches:]
            skipped_batches = 0
        epoch += 1
