"""Server-sent events as real endpoints send them, which differ from the standard."""

import itertools
import json
import time
from typing import Any

import pytest
from helpers.openai_calls import CHAT, complete
from helpers.openai_server import Endpoint, Reply, answer_with, events, send_stream
from hypothesis import given
from hypothesis import strategies as st

from evalharness.backends.openai.events import ServerSentEventReader

ANSWER = b'data: {"choices": [{"text": "x", "finish_reason": "stop"}]}\n\n'


def test_invalid_utf8_in_a_complete_answer_is_retried(endpoint: Endpoint) -> None:
    endpoint.respond_with(
        send_stream(b'data: {"choices": [{"text": "\xff", "finish_reason": "stop"}]}\n\n'), answer_with("whole")
    )
    assert complete(endpoint).text == "whole"


def test_comments_extend_the_idle_timeout(endpoint: Endpoint) -> None:
    def behave(reply: Reply) -> None:
        reply.start()
        reply.event(reply.text("a"))
        for _ in range(8):
            reply.raw(b": keep-alive\n\n")
            time.sleep(0.1)
        reply.raw(ANSWER)
        reply.end()

    endpoint.respond_with(behave)
    assert complete(endpoint, idle_timeout_s=0.4, max_retries=0).text == "ax"


def test_last_event_needs_no_blank_line(endpoint: Endpoint) -> None:
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 9}}\n'
    endpoint.respond_with(send_stream(ANSWER + usage))
    completion = complete(endpoint, max_retries=0)
    assert (completion.text, completion.output_tokens) == ("x", 9)


def test_stream_without_its_content_type_is_read(endpoint: Endpoint) -> None:
    endpoint.respond_with(lambda reply: reply.plain(200, ANSWER, {"content-type": "text/plain"}))
    assert complete(endpoint, max_retries=0).text == "x"


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "text/event-stream"])
def test_whole_answer_under_any_content_type_is_read(endpoint: Endpoint, content_type: str) -> None:
    body = json.dumps({"choices": [{"text": "x", "finish_reason": "stop"}]}, indent=1).encode()
    endpoint.respond_with(lambda reply: reply.plain(200, body, {"content-type": content_type}))
    completion = complete(endpoint, max_retries=0)
    assert (completion.text, completion.first_output_s) == ("x", None)
    endpoint.respond_with(lambda reply: reply.plain(200, ANSWER, {"content-type": content_type}))
    assert complete(endpoint, max_retries=0).text == "x"


def test_event_without_data_is_skipped(endpoint: Endpoint) -> None:
    endpoint.respond_with(send_stream(b"retry: 10\n\nid: 1\n\n" + ANSWER))
    assert complete(endpoint, max_retries=0).text == "x"


ERRORS: dict[str, Any] = {
    "vLLM": {"object": "error", "message": "engine died", "type": "InternalServerError", "code": 500},
    "FastAPI": {"detail": "engine died"},
    "a message and a code": {"code": 503, "message": "overloaded"},
    "without choices": {"choices": [], "error_msg": "overloaded", "error_code": 18},
    "typed": {"type": "error", "sequence_number": 2},
    "a problem of RFC 9457": {"title": "Bad Gateway", "status": 502},
    "in the choice": {"choices": [{"index": 0, "delta": {}, "error": {"message": "provider died", "code": 502}}]},
}


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_in_a_stream_is_retried_in_whatever_form(endpoint: Endpoint, error: str) -> None:
    half = f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': 'half'}}]})}\n\n".encode()
    failed = f"event: error\ndata: {json.dumps(ERRORS[error])}\n\ndata: [DONE]\n\n".encode()
    endpoint.respond_with(send_stream(half, failed), answer_with("whole"))
    assert complete(endpoint, CHAT).text == "whole"


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [], "prompt_filter_results": [{"content_filter_results": {}}]},
        {"type": "ping"},
        {"id": "x", "object": "chat.completion.chunk", "choices": [], "usage": None},
        {"choices": [], "usage": {"prompt_tokens": 1}, "message": "usage"},
        {"choices": [], "errors": [], "detail": ""},
    ],
)
def test_an_event_without_choices_is_no_error_by_itself(endpoint: Endpoint, event: Any) -> None:
    endpoint.respond_with(send_stream(f"data: {json.dumps(event)}\n\n".encode(), ANSWER))
    assert complete(endpoint, max_retries=0).text == "x"


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_a_byte_order_mark_before_the_stream_is_skipped(endpoint: Endpoint, size: int) -> None:
    stream = b"\xef\xbb\xbf" + ANSWER
    endpoint.respond_with(send_stream(*(stream[i : i + size] for i in range(0, len(stream), size))))
    assert complete(endpoint, max_retries=0).text == "x"


def test_a_byte_order_mark_before_an_answer_that_is_not_streamed_is_skipped(endpoint: Endpoint) -> None:
    body = b'\xef\xbb\xbf{"choices": [{"text": "x", "finish_reason": "stop"}]}'
    endpoint.respond_with(lambda reply: reply.plain(200, body))
    assert complete(endpoint, max_retries=0, stream="false").text == "x"


def test_an_error_after_the_whole_answer_changes_nothing(endpoint: Endpoint) -> None:
    for code in (400, 500):
        late = f'data: {{"error": {{"code": {code}, "message": "late"}}}}\n\n'.encode()
        endpoint.respond_with(send_stream(ANSWER, late))
        assert complete(endpoint, max_retries=0).text == "x"


def choice(finish: str | None = None, **parts: Any) -> Any:
    return {"choices": [{"index": 0, "finish_reason": finish, **parts}]}


DELTAS = [choice(delta={"role": "assistant", "content": ""}), choice(delta={"content": "a"}),
          choice(delta={"content": "b"})]  # fmt: skip
MESSAGES = {
    "the whole at the end, beside an empty delta": [*DELTAS, choice("stop", delta={}, message={"content": "ab"})],
    "the whole at the end, without a delta": [*DELTAS, choice("stop", message={"content": "ab"})],
    "the whole alone": [choice("stop", delta={"role": "assistant", "content": ""}, message={"content": "ab"})],
    "null deltas": [choice("stop", delta=None, message={"content": "ab"})],
    "the whole so far": [choice(delta={}, message={"content": text}) for text in ("a", "a", "ab")],
    "parts without deltas": [choice(message={"content": text}) for text in "ab"],
    "a part and the whole": [choice(delta={"content": "a"}, message={"content": "a"}),
                             choice("stop", delta={"content": "b"}, message={"content": "ab"})],
    "output_text": [choice("stop", delta={"content": [{"type": "output_text", "text": "ab"}]})],
    "parts without a type": [choice("stop", delta={"content": [{"text": "a"}, {"text": {"value": "b"}}]})],
}  # fmt: skip


@pytest.mark.parametrize("form", MESSAGES)
def test_message_beside_delta_gives_the_text_once(endpoint: Endpoint, form: str) -> None:
    endpoint.respond_with(send_stream(events(MESSAGES[form])))
    assert complete(endpoint, CHAT, max_retries=0).text == "ab"


REASONING: dict[str, Any] = {
    "reasoning_content": {"reasoning_content": "hmm"},
    "reasoning": {"reasoning": "hmm"},
    "thinking parts": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hmm"}]}]},
    "both names": {"reasoning": "hmm", "reasoning_content": "hmm"},
}


@pytest.mark.parametrize("form", REASONING)
@pytest.mark.parametrize("streamed", ["true", "false"])
def test_reasoning_is_kept_apart_with_its_tokens(endpoint: Endpoint, form: str, streamed: str) -> None:
    usage = {"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 5}}
    parts = [
        choice(delta=REASONING[form]),
        choice(delta={"content": "x"}),
        {**choice("stop", delta={}), "usage": usage},
    ]
    whole = {**choice("stop", message={"content": "x", "reasoning_content": "hmm"}), "usage": usage}
    stream = send_stream(events(parts))
    endpoint.respond_with(stream if streamed == "true" else lambda reply: reply.plain(200, whole))
    completion = complete(endpoint, CHAT, max_retries=0, stream=streamed)
    assert (completion.text, completion.reasoning, completion.reasoning_tokens) == ("x", "hmm", 5)
    assert completion.output_tokens == 9


@pytest.mark.parametrize("name", ["length", "max_tokens", "MAX_TOKENS", "model_length"])
def test_every_name_of_the_token_limit_is_length(endpoint: Endpoint, name: str) -> None:
    endpoint.respond_with(answer_with("half", finish=name))
    assert complete(endpoint).finish_reason == "length"


@given(st.lists(st.sampled_from([b"data: a", b"data:b", b": c", b"\r", b"\n", b"\r\n", b"d"])), st.data())
def test_blocks_may_end_anywhere(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    ends = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    whole, in_blocks = ServerSentEventReader(), ServerSentEventReader()
    blocks = [stream[start:end] for start, end in itertools.pairwise([0, *ends, len(stream)])]
    found = [event for block in blocks for event in in_blocks.feed(block)]
    assert found + in_blocks.finish() == whole.feed(stream) + whole.finish()
