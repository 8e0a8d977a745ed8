"""Streamed text: joined, it is the text before the first stop sequence, and no piece must be taken back."""

from typing import Any

from helpers.network_backends import build
from hypothesis import given
from hypothesis import strategies as st

from evalharness.diffusion.checkpoints.loading import open_tokenizer
from evalharness.generation.stopping import Detokenizer, cut_at_stop_sequence
from evalharness.model_server.engine.streams import TextStream

_cache: dict[str, Any] = {}


def tokenizer(tmp: Any) -> Any:
    if "tokenizer" not in _cache:
        folder = tmp.mktemp("network")
        build(folder)
        _cache["tokenizer"] = open_tokenizer("tiny", folder)
    return _cache["tokenizer"]


TEXTS = st.text(alphabet="ab\n é€😀", max_size=30)
STOPS = st.lists(st.text(alphabet="ab\n€", min_size=1, max_size=4), max_size=3)


def test_pieces_join_to_the_text_before_the_stop(tmp_path_factory: Any) -> None:
    opened = tokenizer(tmp_path_factory)
    detokenizer = Detokenizer(opened)

    @given(text=TEXTS, stops=STOPS, sizes=st.lists(st.integers(1, 5), min_size=1, max_size=20))
    def check(text: str, stops: list[str], sizes: list[int]) -> None:
        tokens = list(opened(text, add_special_tokens=False)["input_ids"])
        stream, pieces = TextStream(detokenizer, stops), []
        whole = cut_at_stop_sequence(text, stops)
        at = 0
        for size in sizes:
            pieces.append(stream.add_tokens(tokens[at : at + size]))
            at += size
            assert whole.startswith("".join(pieces))
        pieces.append(stream.finish(cut_at_stop_sequence(detokenizer.decode(tokens[:at]), stops)))
        assert "".join(pieces) == cut_at_stop_sequence(detokenizer.decode(tokens[:at]), stops)

    check()


def test_text_is_not_kept_back_without_need(tmp_path_factory: Any) -> None:
    opened = tokenizer(tmp_path_factory)
    stream = TextStream(Detokenizer(opened), ["\n\n"])
    ids = list(opened("ab\n", add_special_tokens=False)["input_ids"])
    assert stream.add_tokens(ids[:2]) == "ab"
    assert stream.add_tokens(ids[2:]) == ""
    assert stream.add_tokens(ids[:1]) == "\na"
