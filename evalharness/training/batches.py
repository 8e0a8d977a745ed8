"""Batches of documents of like length, and the tensors of one pass over clean text and its noised answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from evalharness.training.corpus.encoding import Corpus

Numbers = npt.NDArray[np.int64]
ROUND = 16
"""Texts are padded to a multiple of this: for every new shape the CPU's matrix products are prepared anew."""
POOL = 4096
"""Documents among which likes are sought."""


@dataclass(frozen=True)
class Batch:
    """Rows of [prompt, answer, end token] and the blocks of their answers.

    `tokens` [B, L] is padded; `lengths` and `splits` [B] tell where text and prompt end. `answers` [B, M] repeats each
    answer from its first token on, filled up with end tokens to whole blocks; M is a multiple of the block.
    """

    tokens: Tensor
    lengths: Tensor
    splits: Tensor
    answers: Tensor
    block: int

    @property
    def answered(self) -> int:
        """Tokens of all answers, end tokens included."""
        return int((self.lengths - self.splits).sum())

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device."""
        tokens, lengths, splits, answers = (
            part.to(device, non_blocking=True) for part in (self.tokens, self.lengths, self.splits, self.answers)
        )
        return Batch(tokens, lengths, splits, answers, self.block)


def make_batch(corpus: Corpus, rows: Sequence[int], block: int, end: int, pad: int) -> Batch:
    """The batch of these documents."""
    texts = [corpus.document(row).astype(np.int64) for row in rows]
    splits = [int(corpus.splits[row]) for row in rows]
    length = -(-max(map(len, texts)) // ROUND) * ROUND
    most = max(len(text) - split for text, split in zip(texts, splits, strict=True))
    blocks = -(-most // block)
    tokens = np.full((len(rows), length), pad, dtype=np.int64)
    answers = np.full((len(rows), blocks * block), end, dtype=np.int64)
    for row, (text, split) in enumerate(zip(texts, splits, strict=True)):
        tokens[row, : len(text)] = text
        answers[row, : len(text) - split] = text[split:]
    return Batch(
        torch.from_numpy(tokens),
        torch.tensor([len(text) for text in texts]),
        torch.tensor(splits),
        torch.from_numpy(answers),
        block,
    )


def plan_epoch(corpus: Corpus, epoch: int, seed: int, block: int, positions: int) -> list[Numbers]:
    """Document numbers of each batch of an epoch, in their order: `positions` at most, copies of answers included."""
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(corpus) - corpus.held_out)
    lengths = np.diff(corpus.starts)
    blocks = (lengths - corpus.splits + block - 1) // block
    planned: list[Numbers] = []
    for start in range(0, len(order), POOL):
        pool = order[start : start + POOL]
        pool = pool[np.lexsort((lengths[pool], blocks[pool]))]
        planned += _cut(pool, lengths, blocks * block, positions)
    return [planned[place] for place in random.permutation(len(planned))]


def plan_held_out(corpus: Corpus, count: int, block: int, positions: int) -> list[Numbers]:
    """The batches of the first `count` held-out documents."""
    lengths = np.diff(corpus.starts)
    blocks = (lengths - corpus.splits + block - 1) // block
    rows = np.arange(len(corpus) - corpus.held_out, len(corpus))[:count]
    return _cut(rows[np.lexsort((lengths[rows], blocks[rows]))], lengths, blocks * block, positions)


def _cut(rows: Numbers, lengths: Numbers, copies: npt.NDArray[Any], positions: int) -> list[Numbers]:
    """Consecutive rows in batches whose padded size is at most `positions`, one row at least."""
    found, start = [], 0
    length = copy = 0
    for place, row in enumerate(rows):
        longer, more = max(length, -(-int(lengths[row]) // ROUND) * ROUND), max(copy, int(copies[row]))
        if place > start and (longer + more) * (place - start + 1) > positions:
            found.append(rows[start:place])
            start, length, copy = place, -(-int(lengths[row]) // ROUND) * ROUND, int(copies[row])
        else:
            length, copy = longer, more
    return [*found, rows[start:]] if len(rows) else []


def stream(corpus: Corpus, seed: int, block: int, positions: int, skip: int) -> Iterator[Numbers]:
    """Batches epoch after epoch without end, those of `skip` earlier ones left out."""
    epoch = 0
    while True:
        planned = plan_epoch(corpus, epoch, seed, block, positions)
        if skip >= len(planned):
            skip -= len(planned)
        else:
            yield from planned[skip:]
            skip = 0
        epoch += 1
