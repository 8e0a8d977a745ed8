"""The bundled network's tokenizer: byte-level BPE, trained on the training corpus."""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from evalharness.errors import UserError
from evalharness.training.corpus.views import ASSISTANT, MIDDLE, PREFIX, SUFFIX, USER

END, PAD, MASK = "<|end|>", "<|pad|>", "<|mask|>"
SPECIAL = (END, PAD, MASK, PREFIX, SUFFIX, MIDDLE, USER, ASSISTANT)
PRE_TOKENS = Regex(r"\n+ *| ?[0-9]|[ _]?[A-Za-z]+| ?[^\sA-Za-z0-9_]+|[ \t]+|_+|\s+")
"""How a text is split before merging: line breaks with the following indentation, single digits, words with a preceding
space or underscore, and signs.
"""


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> Tokenizer:
    """Returns a byte-level BPE tokenizer of `vocabulary_size` tokens, trained on `texts`; special tokens come first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(PRE_TOKENS, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def read_tokenizer(folder: Path) -> Tokenizer:
    """Returns the tokenizer of a checkpoint folder. Raises UserError if the folder has none."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise UserError(
            f"the tokenizer file {path} does not exist; set start (or certainty.model) in the recipe to a folder that "
            "`evalharness train` wrote"
        )
    return Tokenizer.from_file(str(path))
