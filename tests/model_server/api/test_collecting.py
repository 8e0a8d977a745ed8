"""When streamed text is sent: the first and the last piece at once, others at a distance, and none is lost."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from evalharness.model_server.api.collecting import CHUNK_S, CHUNKS_PER_S, ChoiceText, chunk_interval_s
from evalharness.model_server.engine.job import Job, Outcome, Update
from evalharness.records import Prompt


@given(
    pieces=st.lists(st.tuples(st.text(max_size=3), st.integers(0, 30)), min_size=1, max_size=20),
    rows=st.integers(0, 40),
)
def test_no_text_is_lost_and_chunks_are_apart(pieces: list[tuple[str, int]], rows: int) -> None:
    choice, at_ms, sent = ChoiceText(0, Job(Prompt("x"), "ar", 9), None, False), 0, []
    interval_s = chunk_interval_s(rows)
    assert interval_s >= CHUNK_S
    assert rows / interval_s <= CHUNKS_PER_S * (1 + 1e-9)
    for text, pause_ms in pieces:
        at_ms += pause_ms
        sent.append((at_ms / 1000, choice.due(text, at_ms / 1000, interval_s)))
    whole = "".join(text for text, _ in pieces)
    choice.add(Update(outcome=Outcome(whole, 1, 1, "stop", 1.0)))
    times = [at_s for at_s, text in sent if text]
    assert all(later - earlier >= interval_s - 1e-9 for earlier, later in pairwise(times))
    assert not pieces[0][0] or sent[0][1] == pieces[0][0]
    assert "".join(text for _, text in sent) + choice.due("", at_ms / 1000) == whole
