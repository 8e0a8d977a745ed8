"""Stop sequences that the endpoint knows, and those that only the client knows."""

import sys
import time
from types import SimpleNamespace

import pytest
from helpers.openai_calls import complete
from helpers.openai_server import Endpoint, Reply, answer_with

from evalharness.records import Prompt

STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")


@pytest.mark.parametrize("stream", ["true", "false"])
def test_text_is_cut_at_the_earliest_stop_sequence(endpoint: Endpoint, stream: str) -> None:
    endpoint.respond_with(answer_with("  pass\n", "de", "f g():\n", "class", " A", finish="length"))
    completion = complete(endpoint, Prompt(text="", stops=("\nclass", "\ndef")), stream=stream)
    assert (completion.text, completion.finish_reason) == ("  pass", "stop")
    assert (completion.prompt_tokens, completion.output_tokens) == (7, None)
    assert (completion.total_s is None) == (stream == "false")


@pytest.mark.parametrize("chunks", [("ab", "c", "d"), ("abc", "d"), ("a", "b", "cd"), ("abcd",)])
def test_cut_does_not_depend_on_chunk_boundaries(endpoint: Endpoint, chunks: tuple[str, ...]) -> None:
    endpoint.respond_with(answer_with("x", *chunks))
    assert complete(endpoint, Prompt(text="", stops=("b", "abc")), max_stops=0).text == "x"


@pytest.mark.parametrize(("sent", "early"), [(4, True), (5, False)])
def test_connection_is_closed_early_only_for_stop_sequences_that_were_not_sent(
    endpoint: Endpoint, sent: int, early: bool
) -> None:
    """The endpoint continues after the stop sequence: for 3 s, or for 0.3 s if the client waits for its end."""

    def behave(reply: Reply) -> None:
        reply.start()
        reply.event(reply.text("  return 1\nprint(f())\n"))
        for _ in range(300 if early else 30):
            time.sleep(0.01)
            reply.event(reply.text("more\n"))
        reply.event(reply.text("", "length"))
        reply.end()

    endpoint.respond_with(behave)
    start = time.perf_counter()
    completion = complete(endpoint, Prompt(text="", stops=STOPS), max_stops=sent)
    elapsed_s = time.perf_counter() - start
    assert (completion.text, completion.finish_reason, completion.output_tokens) == ("  return 1", "stop", None)
    if early:
        assert elapsed_s < 2
        assert endpoint.dropped.wait(2)
    else:
        assert not endpoint.dropped.is_set()
        assert (completion.total_s or elapsed_s) <= elapsed_s - 0.3


def test_tokenizer_counts_the_kept_text(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def tokenizer(text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        assert not add_special_tokens
        return {"input_ids": [1] * len(text.split())}

    automatic = SimpleNamespace(from_pretrained=lambda name: tokenizer if name == "words" else None)
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(AutoTokenizer=automatic))
    endpoint.respond_with(answer_with("a b c\n", "def d"), answer_with("a b c"), answer_with("a b c", usage=None))
    prompt = Prompt(text="", stops=("\ndef",))
    assert [complete(endpoint, prompt, tokenizer="words").output_tokens for _ in range(3)] == [3, 5, 3]
