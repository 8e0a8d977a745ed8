"""The openai backend against a real local endpoint: requests, answers, stop sequences, concurrency."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.openai_calls import CHAT, KEY, OPENED, TEXT, backend, complete, request, samples
from helpers.openai_server import Endpoint, Reply, events, say, send, serving

from evalharness.backends import BackendConfig, option_names
from evalharness.backends.openai.backend import OpenAIBackend
from evalharness.errors import UserError
from evalharness.records import Prompt, Request, Sampling

STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as served:
        yield served


# Requests


def test_options_are_known_by_name() -> None:
    assert {"base_url", "api", "concurrency", "max_stops", "extra"} <= option_names(OpenAIBackend)


def test_completions_body(endpoint: Endpoint) -> None:
    sampling = Sampling(temperature=0.5, top_p=0.9, max_new_tokens=17)
    complete(endpoint, Prompt(text="def f():", stops=("", *STOPS, "\ndef")), sampling)
    [body] = endpoint.bodies
    assert 0 <= body.pop("seed") < 2**31
    assert body == {
        "model": "m",
        "prompt": "def f():",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 17,
        "stop": list(STOPS[:4]),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert endpoint.paths == ["/v1/completions"]
    assert endpoint.headers[0]["authorization"] == f"Bearer {KEY}"


def test_chat_body(endpoint: Endpoint) -> None:
    extra = json.dumps({"top_k": 1, "seed": None})
    complete(endpoint, CHAT, max_tokens_field="max_completion_tokens", extra=extra, include_usage="false", max_stops=0)
    assert endpoint.bodies == [
        {
            "model": "m",
            "messages": [{"role": "system", "content": "Write code."}, {"role": "user", "content": "f?"}],
            "temperature": 0.0,
            "top_p": 1.0,
            "max_completion_tokens": 768,
            "stream": True,
            "top_k": 1,
        }
    ]
    assert endpoint.paths == ["/v1/chat/completions"]


def test_prefill_is_sent_on_demand_and_else_refused(endpoint: Endpoint) -> None:
    with pytest.raises(UserError, match="prefill=true"):
        complete(endpoint, OPENED)
    assert not endpoint.bodies
    complete(endpoint, OPENED, prefill="true")
    assert endpoint.bodies[0]["messages"][-1] == {"role": "assistant", "content": "```python\n"}


def test_text_as_chat_and_the_reverse(endpoint: Endpoint) -> None:
    complete(endpoint, TEXT, api="chat")
    assert endpoint.bodies[0]["messages"] == [{"role": "user", "content": "def f():"}]
    with pytest.raises(UserError, match="api=completions"):
        complete(endpoint, CHAT, api="completions")


def test_every_sample_has_its_own_seed(endpoint: Endpoint) -> None:
    def seeds(seed: int) -> set[int]:
        endpoint.bodies.clear()
        asked = [request(sample_id=j, task_id=task) for task in ("a", "b") for j in range(3)]
        assert len(list(backend(endpoint).generate(asked, Sampling(seed=seed)))) == 6
        return {body["seed"] for body in endpoint.bodies}

    first, again, other = seeds(0), seeds(0), seeds(1)
    assert len(first) == 6
    assert first == again
    assert not first & other


def test_base_url_comes_from_the_environment_and_keeps_its_query(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = endpoint.url.replace("//", "//user:password@") + "/?version=secret-version"
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    subject = backend()
    assert [c.text for c in subject.generate([request()], Sampling())] == ["ok"]
    assert endpoint.paths == ["/v1/completions?version=secret-version"]
    assert endpoint.headers[0]["authorization"].startswith("Basic ")
    shown = json.dumps(subject.describe())
    assert "127.0.0.1" in shown
    assert "password" not in shown
    assert "secret-version" not in shown


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_none_is_sent(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    complete(endpoint)
    assert "authorization" not in endpoint.headers[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_url": "localhost:8000"}, "http://localhost:8000/v1"),
        ({"extra": "[1]"}, "extra"),
        ({"extra": '{"stop": []}'}, "max_stops"),
        ({"extra": '{"temperature": 1}'}, "--temperature"),
        ({"concurency": "3"}, "concurrency"),
        ({"concurrency": "0"}, "concurrency"),
        ({"tokenizer": "/nowhere/at/all"}, "tokenizer=/nowhere/at/all"),
    ],
)
def test_impossible_options(options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace())
    with pytest.raises(UserError, match=message) as caught:
        list(backend(**options).generate([], Sampling()))
    assert "\n" not in str(caught.value)


def test_model_is_required() -> None:
    with pytest.raises(UserError, match="--model"):
        OpenAIBackend(BackendConfig())


# Answers


@pytest.mark.parametrize("prompt", [TEXT, CHAT])
@pytest.mark.parametrize("stream", ["true", "false"])
def test_text_counts_and_times(endpoint: Endpoint, prompt: Prompt, stream: str) -> None:
    endpoint.play(say("one ", "two ", "three four", finish="length", delay_s=0.03))
    before = time.time()
    got = complete(endpoint, prompt, stream=stream)
    assert (got.task_id, got.sample_id, got.text, got.characters) == ("t/0", 0, "one two three four", 18)
    assert (got.prompt_tokens, got.output_tokens, got.finish_reason, got.error) == (7, 5, "length", "")
    assert got.started_at is not None
    assert before <= got.started_at <= time.time()
    assert got.total_s is not None
    assert 0.03 <= got.total_s < 2
    if stream == "true":
        assert got.first_output_s is not None
        assert 0.03 <= got.first_output_s < got.total_s
    else:
        assert got.first_output_s is None


def test_total_time_ends_with_the_answer(endpoint: Endpoint) -> None:
    def act(reply: Reply) -> None:
        reply.start()
        reply.event(reply.text("x", "stop"))
        time.sleep(0.2)
        reply.raw(b"data: [DONE]\n\n")
        reply.end()

    endpoint.play(act)
    begin = time.perf_counter()
    assert (complete(endpoint).total_s or 9) <= time.perf_counter() - begin - 0.2


def test_reasoning_is_neither_text_nor_first_output(endpoint: Endpoint) -> None:
    def act(reply: Reply) -> None:
        reply.start()
        reply.event(reply.text(None, reasoning_content="Hmm"))
        time.sleep(0.1)
        reply.event(reply.text("x"))
        reply.event({**reply.text(None, "stop"), "usage": {"prompt_tokens": 3, "completion_tokens": 9}})
        reply.end()

    endpoint.play(act)
    got = complete(endpoint, CHAT)
    assert (got.text, got.output_tokens) == ("x", 9)
    assert (got.first_output_s or 0) >= 0.1


def test_no_usage_means_no_counts(endpoint: Endpoint) -> None:
    endpoint.play(say("x", usage=None), say("x", usage=(0, 0)), say("x"))
    for include in ("true", "true", "false"):
        got = complete(endpoint, include_usage=include)
        assert (got.text, got.prompt_tokens, got.output_tokens) == ("x", None, None)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_bytes_may_be_cut_anywhere(endpoint: Endpoint, line_end: str) -> None:
    text = "grüße \u2028 \x85 漢字 🙂\r\n"
    chunks = [{"choices": [{"text": text}]}, {"choices": [{"text": "!", "finish_reason": "stop"}]}]
    stream = f": keep-alive{line_end}{line_end}event: x{line_end}id: 1{line_end}".encode() + events(chunks, line_end)
    endpoint.play(send(*(stream[i : i + 1] for i in range(len(stream)))))
    assert complete(endpoint).text == text + "!"
    assert len(endpoint.bodies) == 1


def test_surrogate_halves_are_joined(endpoint: Endpoint) -> None:
    endpoint.play(say("a\ud83d", "\ude42b\ud83d"))
    assert complete(endpoint).text == "a🙂b\ufffd"


def test_parts_as_content_and_other_choices(endpoint: Endpoint) -> None:
    parts = [{"type": "thinking", "thinking": "?"}, {"type": "text", "text": "x"}]
    other = {"index": 1, "delta": {"content": "no"}}
    chunk = {"choices": [other, {"index": 0, "delta": {"content": parts}, "finish_reason": "stop"}]}
    endpoint.play(send(events([chunk])))
    assert complete(endpoint, CHAT).text == "x"


def test_an_endpoint_that_does_not_stream_after_all(endpoint: Endpoint) -> None:
    endpoint.play(lambda reply: reply.plain(200, reply.text("x", "stop")))
    got = complete(endpoint)
    assert (got.text, got.first_output_s) == ("x", None)


def test_connections_are_used_again(endpoint: Endpoint) -> None:
    ports = set()

    def act(reply: Reply) -> None:
        ports.add(reply.handler.client_address[1])
        say("x")(reply)

    endpoint.otherwise = act
    assert len(list(backend(endpoint, concurrency=1).generate(samples(5), Sampling()))) == 5
    assert len(ports) == 1


# Stop sequences


@pytest.mark.parametrize("stream", ["true", "false"])
def test_cut_at_the_earliest_stop(endpoint: Endpoint, stream: str) -> None:
    endpoint.play(say("  pass\n", "de", "f g():\n", "class", " A", finish="length"))
    got = complete(endpoint, Prompt(text="", stops=("\nclass", "\ndef")), stream=stream)
    assert (got.text, got.finish_reason) == ("  pass", "stop")
    assert (got.prompt_tokens, got.output_tokens) == (7, None)
    assert (got.total_s is None) == (stream == "false")


@pytest.mark.parametrize("chunks", [("ab", "c", "d"), ("abc", "d"), ("a", "b", "cd"), ("abcd",)])
def test_cut_does_not_depend_on_chunks(endpoint: Endpoint, chunks: tuple[str, ...]) -> None:
    endpoint.play(say("x", *chunks))
    assert complete(endpoint, Prompt(text="", stops=("b", "abc")), max_stops=0).text == "x"


@pytest.mark.parametrize(("sent", "early"), [(4, True), (5, False)])
def test_hangs_up_only_for_stops_that_were_not_sent(endpoint: Endpoint, sent: int, early: bool) -> None:
    """The endpoint goes on after the stop sequence: for 3 s, or 0.3 s where the client is to wait."""

    def act(reply: Reply) -> None:
        reply.start()
        reply.event(reply.text("  return 1\nprint(f())\n"))
        for _ in range(300 if early else 30):
            time.sleep(0.01)
            reply.event(reply.text("more\n"))
        reply.event(reply.text("", "length"))
        reply.end()

    endpoint.play(act)
    begin = time.perf_counter()
    got = complete(endpoint, Prompt(text="", stops=STOPS), max_stops=sent)
    took_s = time.perf_counter() - begin
    assert (got.text, got.finish_reason, got.output_tokens) == ("  return 1", "stop", None)
    if early:
        assert took_s < 2
        assert endpoint.dropped.wait(2)
    else:
        assert not endpoint.dropped.is_set()
        assert (got.total_s or took_s) <= took_s - 0.3


def test_a_tokenizer_counts_what_was_kept(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def tokenizer(text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        assert not add_special_tokens
        return {"input_ids": [1] * len(text.split())}

    automatic = SimpleNamespace(from_pretrained=lambda name: tokenizer if name == "words" else None)
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(AutoTokenizer=automatic))
    endpoint.play(say("a b c\n", "def d"), say("a b c"), say("a b c", usage=None))
    prompt = Prompt(text="", stops=("\ndef",))
    assert [complete(endpoint, prompt, tokenizer="words").output_tokens for _ in range(3)] == [3, 5, 3]


def test_describe(endpoint: Endpoint) -> None:
    described = backend(endpoint, concurrency=3, extra='{"top_k": 1}').describe()
    assert json.loads(json.dumps(described)) == described
    assert (described["model"], described["base_url"], described["concurrency"]) == ("m", endpoint.url, 3)
    assert (described["api"], described["max_stops"], described["extra"]) == ("auto", 4, {"top_k": 1})


# Many at once


def test_concurrency_is_reached_and_requests_are_pulled_lazily(endpoint: Endpoint) -> None:
    width, pulled, got = 5, 0, 0

    def asked() -> Iterator[Request]:
        nonlocal pulled
        for j in range(20):
            pulled += 1
            assert pulled - got <= width + 1
            yield request(sample_id=j)

    endpoint.otherwise = say("x", delay_s=0.03)
    for _ in backend(endpoint, concurrency=width).generate(asked(), Sampling()):
        got += 1
        assert pulled - got <= width
    assert got == 20
    assert endpoint.most_in_flight == width


def test_completions_come_as_they_finish(endpoint: Endpoint) -> None:
    first = threading.Event()

    def slow(reply: Reply) -> None:
        first.wait(2)
        time.sleep(0.1)
        say("slow")(reply)

    def fast(reply: Reply) -> None:
        say("x")(reply)
        first.set()

    endpoint.play(slow)
    endpoint.otherwise = fast
    results = backend(endpoint, concurrency=2).generate(samples(2), Sampling())
    assert [completion.text for completion in results] == ["x", "slow"]


def test_answers_are_timed_while_the_caller_is_busy(endpoint: Endpoint) -> None:
    endpoint.otherwise = say("x", "y", delay_s=0.02)
    results = backend(endpoint, concurrency=2).generate(samples(3), Sampling())
    next(results)
    time.sleep(0.5)
    assert all((got.total_s or 9) < 0.45 for got in results)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "openai-requests"]


@pytest.mark.parametrize("how", ["close", "interrupt"])
def test_leaving_early_abandons_what_is_on_its_way(endpoint: Endpoint, how: str) -> None:
    endpoint.play(say("x"))
    endpoint.otherwise = say(*"y" * 500, delay_s=0.01)
    results = backend(endpoint, concurrency=3).generate(samples(9), Sampling())
    assert next(results).text == "x"
    begin = time.perf_counter()
    if how == "close":
        results.close()  # type: ignore[attr-defined]
    else:
        with pytest.raises(KeyboardInterrupt):
            results.throw(KeyboardInterrupt())  # type: ignore[attr-defined]
    assert time.perf_counter() - begin < 2
    assert not threads()
    assert endpoint.dropped.wait(2)


def test_nothing_is_left_behind(endpoint: Endpoint) -> None:
    subject = backend(endpoint)
    assert len(list(subject.generate(samples(3), Sampling()))) == 3
    assert list(subject.generate([], Sampling())) == []
    assert not threads()
    subject.close()
    subject.close()


def test_a_failing_source_of_requests_is_not_hidden(endpoint: Endpoint) -> None:
    def asked() -> Iterator[Request]:
        yield request()
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        list(backend(endpoint).generate(asked(), Sampling()))
    assert not threads()
