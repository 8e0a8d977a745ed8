"""The common tokenizer: a given file or folder, else the bundled tokenizer, else none."""

import re
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from evalharness.errors import UserError
from evalharness.metrics import tokenizing
from evalharness.metrics.tokenizing import load_common_tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = Tokenizer(WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_a_file_and_a_folder(folder: Path) -> None:
    for path in (folder, folder / "tokenizer.json"):
        tokenizer = load_common_tokenizer(str(path))
        assert tokenizer is not None
        assert (tokenizer.name, tokenizer.count("a a b"), tokenizer.count("")) == (str(path), 3, 0)


def test_the_bundled_tokenizer_is_the_default(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizing, "BUNDLED", folder / "none.json")
    assert load_common_tokenizer() is None
    monkeypatch.setattr(tokenizing, "BUNDLED", folder / "tokenizer.json")
    tokenizer = load_common_tokenizer()
    assert tokenizer is not None
    assert re.fullmatch("bundled-[0-9a-f]{8}", tokenizer.name)
    assert tokenizer.count("a b") == 2
    (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text() + "\n")
    other = load_common_tokenizer()
    assert other is not None
    assert other.name != tokenizer.name


def test_a_tokenizer_that_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(UserError, match=r"cannot load --tokenizer .*bad\.json"):
        load_common_tokenizer(str(tmp_path / "bad.json"))
