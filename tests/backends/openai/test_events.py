"""Server-sent events as real endpoints send them, which differ from the standard."""

import time

from helpers.openai_calls import complete
from helpers.openai_server import Endpoint, Reply, answer_with, send_stream

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


def test_event_without_data_is_skipped(endpoint: Endpoint) -> None:
    endpoint.respond_with(send_stream(b"retry: 10\n\nid: 1\n\n" + ANSWER))
    assert complete(endpoint, max_retries=0).text == "x"
