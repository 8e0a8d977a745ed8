"""Answers of an endpoint: text, token counts and times."""

import time

import pytest
from helpers.openai_calls import CHAT, TEXT, complete
from helpers.openai_server import Endpoint, Reply, answer_with, events, send_stream

from evalharness.records import Prompt


@pytest.mark.parametrize("prompt", [TEXT, CHAT])
@pytest.mark.parametrize("stream", ["true", "false"])
def test_text_token_counts_and_times(endpoint: Endpoint, prompt: Prompt, stream: str) -> None:
    endpoint.respond_with(answer_with("one ", "two ", "three four", finish="length", delay_s=0.03))
    before = time.time()
    completion = complete(endpoint, prompt, stream=stream)
    assert (completion.task_id, completion.sample_id, completion.text, completion.characters) == (
        "t/0",
        0,
        "one two three four",
        18,
    )
    assert (completion.prompt_tokens, completion.output_tokens, completion.finish_reason, completion.error) == (
        7,
        5,
        "length",
        "",
    )
    assert completion.started_at is not None
    assert before <= completion.started_at <= time.time()
    assert completion.total_s is not None
    assert 0.03 <= completion.total_s < 2
    if stream == "true":
        assert completion.first_output_s is not None
        assert 0.03 <= completion.first_output_s < completion.total_s
    else:
        assert completion.first_output_s is None


def test_total_time_ends_with_the_last_text_chunk(endpoint: Endpoint) -> None:
    def behave(reply: Reply) -> None:
        reply.start()
        reply.event(reply.text("x", "stop"))
        time.sleep(0.2)
        reply.raw(b"data: [DONE]\n\n")
        reply.end()

    endpoint.respond_with(behave)
    start = time.perf_counter()
    assert (complete(endpoint).total_s or 9) <= time.perf_counter() - start - 0.2


def test_reasoning_is_neither_text_nor_first_output(endpoint: Endpoint) -> None:
    def behave(reply: Reply) -> None:
        reply.start()
        reply.event(reply.text(None, reasoning_content="Hmm"))
        time.sleep(0.1)
        reply.event(reply.text("x"))
        reply.event({**reply.text(None, "stop"), "usage": {"prompt_tokens": 3, "completion_tokens": 9}})
        reply.end()

    endpoint.respond_with(behave)
    completion = complete(endpoint, CHAT)
    assert (completion.text, completion.output_tokens) == ("x", 9)
    assert (completion.first_output_s or 0) >= 0.1


def test_reasoning_alone_is_an_answer_without_a_finish_reason(endpoint: Endpoint) -> None:
    def behave(reply: Reply) -> None:
        reply.start()
        for _ in range(2):
            time.sleep(0.1)
            reply.event(reply.text(None, reasoning_content="Hmm"))
        reply.raw(b"data: [DONE]\n\n")
        reply.end()

    endpoint.respond_with(behave)
    completion = complete(endpoint, CHAT, max_retries=0)
    assert (completion.text, completion.reasoning, completion.finish_reason) == ("", "HmmHmm", "unknown")
    assert (completion.total_s or 0) >= 0.2
    assert completion.first_output_s is None


def test_token_counts_are_none_without_usage(endpoint: Endpoint) -> None:
    endpoint.respond_with(answer_with("x", usage=None), answer_with("x", usage=(0, 0)), answer_with("x"))
    for include in ("true", "true", "false"):
        completion = complete(endpoint, include_usage=include)
        assert (completion.text, completion.prompt_tokens, completion.output_tokens) == ("x", None, None)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_stream_may_be_split_at_any_byte(endpoint: Endpoint, line_end: str) -> None:
    text = "grüße \u2028 \x85 漢字 🙂\r\n"
    chunks = [{"choices": [{"text": text}]}, {"choices": [{"text": "!", "finish_reason": "stop"}]}]
    stream = f": keep-alive{line_end}{line_end}event: x{line_end}id: 1{line_end}".encode() + events(chunks, line_end)
    endpoint.respond_with(send_stream(*(stream[i : i + 1] for i in range(len(stream)))))
    assert complete(endpoint).text == text + "!"
    assert len(endpoint.bodies) == 1


def test_surrogate_halves_of_two_chunks_are_joined(endpoint: Endpoint) -> None:
    endpoint.respond_with(answer_with("a\ud83d", "\ude42b\ud83d"))
    assert complete(endpoint).text == "a🙂b\ufffd"


def test_content_of_typed_parts_and_several_choices(endpoint: Endpoint) -> None:
    parts = [{"type": "thinking", "thinking": "?"}, {"type": "text", "text": "x"}]
    other = {"index": 1, "delta": {"content": "no"}}
    chunk = {"choices": [other, {"index": 0, "delta": {"content": parts}, "finish_reason": "stop"}]}
    endpoint.respond_with(send_stream(events([chunk])))
    assert complete(endpoint, CHAT).text == "x"


def test_answer_that_is_not_streamed_although_requested(endpoint: Endpoint) -> None:
    endpoint.respond_with(lambda reply: reply.plain(200, reply.text("x", "stop")))
    completion = complete(endpoint)
    assert (completion.text, completion.first_output_s) == ("x", None)
