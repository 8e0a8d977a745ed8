import itertools
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from evalharness.training.corpus.generated.stream import generate_functions
from evalharness.training.corpus.tokenizer import MASK, SPECIAL, train_tokenizer
from evalharness.training.corpus.views import make_completion_prompt_and_answer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    random = Random(0)
    texts = [
        "".join(make_completion_prompt_and_answer(f, cases, random))
        for f, cases in itertools.islice(generate_functions(0), 300)
    ]
    return train_tokenizer(texts, 700)


@given(st.text())
def test_any_text_is_restored(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


@given(st.binary())
def test_any_bytes_are_restored(tokenizer: Tokenizer, data: bytes) -> None:
    text = data.decode("latin-1")
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False).encode("latin-1") == data


def test_digits_are_single_tokens_and_indentation_is_one_token(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("12345").tokens == list("12345")
    assert len(tokenizer.encode("\n        ").ids) == 1
    assert len(tokenizer.encode("    ").ids) == 1


def test_special_tokens_come_first_and_are_not_split(tokenizer: Tokenizer) -> None:
    assert [tokenizer.token_to_id(token) for token in SPECIAL] == list(range(len(SPECIAL)))
    assert tokenizer.encode(f"a{MASK}b").ids[1] == tokenizer.token_to_id(MASK)
