"""Shard files of tokenized training texts: prompts with the target's answers, in about two bytes per token."""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalharness.training.drafting.prompts import KINDS, Kind

NAME = re.compile(r"answers-(\d{5})\.npz")


@dataclass(frozen=True)
class TrainingText:
    """A training text: the token ids of a prompt and of the target's answer.

    The answer ends with an end token, unless it was cut off at the maximum length.
    """

    kind: Kind
    prompt: tuple[int, ...]
    answer: tuple[int, ...]

    @property
    def tokens(self) -> tuple[int, ...]:
        """The token ids of prompt and answer together."""
        return self.prompt + self.answer


def shard_path(folder: Path, shard_number: int) -> Path:
    """Returns the path of shard file `shard_number` of the training texts."""
    return folder / f"answers-{shard_number:05d}.npz"


def write_shard(folder: Path, shard_number: int, texts: Sequence[TrainingText]) -> None:
    """Writes training texts to shard file `shard_number`, atomically.

    The low and the high bits of token ids are stored in separate arrays, which compress better.
    """
    ids = np.array([token for text in texts for token in text.tokens], dtype=np.uint32)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        low=(ids & 0xFFFF).astype(np.uint16),
        high=(ids >> 16).astype(np.uint8),
        prompts=np.array([len(text.prompt) for text in texts], np.uint16),
        answers=np.array([len(text.answer) for text in texts], np.uint16),
        kinds=np.array([KINDS.index(text.kind) for text in texts], np.uint8),
    )
    part = shard_path(folder, shard_number).with_suffix(".part")
    part.write_bytes(buffer.getvalue())
    part.replace(shard_path(folder, shard_number))


def read_shard(path: Path) -> list[TrainingText]:
    """Returns the training texts in a shard file, in order."""
    with np.load(path) as arrays:
        ids = (arrays["low"].astype(np.uint32) | arrays["high"].astype(np.uint32) << 16).tolist()
        sizes = zip(arrays["prompts"].tolist(), arrays["answers"].tolist(), arrays["kinds"].tolist(), strict=True)
        texts, start = [], 0
        for prompt, answer, kind in sizes:
            middle, end = start + prompt, start + prompt + answer
            texts.append(TrainingText(KINDS[kind], tuple(ids[start:middle]), tuple(ids[middle:end])))
            start = end
    return texts


def list_shard_numbers(folder: Path) -> list[int]:
    """Returns the numbers of the finished shard files in a folder, in ascending order."""
    matches = (NAME.fullmatch(path.name) for path in folder.glob("answers-*.npz"))
    return sorted(int(match[1]) for match in matches if match)


def read_texts_of_all_shards(folder: Path) -> Iterator[TrainingText]:
    """Yields the training texts of all finished shards in a folder."""
    for number in list_shard_numbers(folder):
        yield from read_shard(shard_path(folder, number))
