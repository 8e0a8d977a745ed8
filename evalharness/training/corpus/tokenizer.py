"""The tokenizer: BPE over bytes, so any text can be written, trained on the corpus itself."""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from evalharness.errors import UserError
from evalharness.training.corpus.views import ASSISTANT, MIDDLE, PREFIX, SUFFIX, USER

END, PAD, MASK = "<|end|>", "<|pad|>", "<|mask|>"
SPECIAL = (END, PAD, MASK, PREFIX, SUFFIX, MIDDLE, USER, ASSISTANT)
PIECES = Regex(r"\n+ *| ?[0-9]|[ _]?[A-Za-z]+| ?[^\sA-Za-z0-9_]+|[ \t]+|_+|\s+")
"""Line breaks with the indentation after them, single digits, words with the space or underscore before them, signs."""


def train_tokenizer(texts: Iterable[str], size: int) -> Tokenizer:
    """A tokenizer of `size` tokens, special ones first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(PIECES, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a checkpoint folder. Raises UserError where there is none."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise UserError(f"there is no {path}; name a folder that `evalharness train` has written")
    return Tokenizer.from_file(str(path))
