"""An endpoint that fails: what is retried, what is an error of the user, and what is never shown."""

import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from helpers.local_http import free_port
from helpers.openai_calls import KEY, backend, complete, request, sample_requests
from helpers.openai_server import (
    Behavior,
    Endpoint,
    Reply,
    answer_with,
    disconnect,
    http_error,
    send_stream,
    sequence,
    serving,
    wait,
)

from evalharness.errors import UserError
from evalharness.records import Sampling

# Temporary failures


def hang(reply: Reply) -> None:
    reply.start()
    reply.event(reply.text("x"))
    time.sleep(0.5)


BAD_JSON = send_stream(b'data: {"choices": [{"text": "x"\n\n')
FAILURES: dict[str, Behavior] = {
    "429": http_error(429, "slow down"),
    "500": http_error(500),
    "502": lambda reply: reply.plain(502, b"<html>bad gateway</html>", {"content-type": "text/html"}),
    "503": http_error(503),
    "504": http_error(504),
    "529": http_error(529),
    "408": http_error(408),
    "cut": disconnect("half an ans"),
    "cut at once": disconnect(),
    "no end": answer_with("half an ans", finish=None, done=False),
    "nothing": answer_with(finish=None),
    "malformed": BAD_JSON,
    "not an object": send_stream(b"data: [1]\n\n"),
    "not UTF-8": send_stream(b'data: {"choices": [{"text": "\xff"}]}\n\n'),
    "error in the stream": send_stream(b'data: {"error": {"message": "overloaded"}}\n\n'),
    "aborted": answer_with("x", finish="abort"),
    "idle": hang,
}


@pytest.mark.parametrize("failure", FAILURES)
def test_temporary_failures_are_retried(endpoint: Endpoint, failure: str) -> None:
    endpoint.respond_with(FAILURES[failure], FAILURES[failure], answer_with("whole"))
    completion = complete(endpoint, idle_timeout_s=0.1)
    assert (completion.text, completion.error, completion.output_tokens) == ("whole", "", 5)
    assert len(endpoint.bodies) == 3
    assert endpoint.bodies[0] == endpoint.bodies[2]


def test_times_are_those_of_the_successful_attempt(endpoint: Endpoint) -> None:
    def slow(reply: Reply) -> None:
        reply.start()
        reply.event(reply.text("x"))
        time.sleep(0.3)
        reply.cut()

    endpoint.respond_with(slow, answer_with("y"))
    before, start = time.time(), time.perf_counter()
    completion = complete(endpoint)
    assert completion.text == "y"
    assert (completion.started_at or 0) >= before + 0.29
    assert (completion.total_s or 9) <= time.perf_counter() - start - 0.3


def test_idle_timeout_does_not_apply_before_the_answer(endpoint: Endpoint) -> None:
    endpoint.respond_with(sequence(wait(0.3), answer_with("x")))
    assert complete(endpoint, idle_timeout_s=0.1).text == "x"
    assert len(endpoint.bodies) == 1


def test_timeout_applies_to_a_whole_attempt(endpoint: Endpoint) -> None:
    endpoint.respond_with(wait(0.3), answer_with(*"xyz" * 10, delay_s=0.02), answer_with("x"))
    completion = complete(endpoint, timeout_s=0.15, max_retries=1)
    assert "no answer from the endpoint within the time limit" in completion.error
    assert "2 of 2" in completion.error
    assert complete(endpoint, timeout_s=0.15).text == "x"


def http_date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(("value", "at_least_s"), [(lambda: "0.3", 0.3), (lambda: http_date(1.2), 0.1)])
def test_retry_after_is_the_shortest_pause(endpoint: Endpoint, value: Callable[[], str], at_least_s: float) -> None:
    endpoint.respond_with(http_error(429, Retry_After=value()), answer_with("x"))
    assert complete(endpoint).text == "x"
    assert at_least_s <= endpoint.times[1] - endpoint.times[0] < 2


@pytest.mark.parametrize("value", ["soon", "-5", "nan", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_invalid_retry_after_is_ignored(endpoint: Endpoint, value: str) -> None:
    endpoint.respond_with(http_error(503, Retry_After=value), answer_with("x"))
    assert complete(endpoint).text == "x"
    assert endpoint.times[1] - endpoint.times[0] < 2


def test_completion_has_the_error_after_the_last_retry(endpoint: Endpoint) -> None:
    endpoint.default = http_error(500, f"broken\nby {KEY}")
    completion = complete(endpoint, max_retries=2)
    assert completion.error == "the endpoint answered HTTP 500: broken by *** (the request failed in attempt 3 of 3)"
    assert (completion.text, completion.output_tokens, completion.total_s, completion.started_at) == (
        "",
        None,
        None,
        None,
    )
    assert len(endpoint.bodies) == 3


def test_refused_connection_after_an_answer_is_an_error_of_the_endpoint() -> None:
    """An endpoint that was reached before has failed; one that was never reached may have another address."""
    with serving() as endpoint:
        source = backend(endpoint, concurrency=1, max_retries=4)
        results = source.generate(sample_requests(2), Sampling())
        endpoint.respond_with(sequence(wait(0.05), answer_with("x")))
        endpoint.default = disconnect()
        assert next(results).text == "x"
    [second] = list(results)
    assert "attempt 5 of 5" in second.error


def test_endpoint_that_was_never_reached_is_a_user_error() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    start = time.perf_counter()
    with pytest.raises(UserError, match=f"cannot connect to {url}"):
        list(backend(base_url=url).generate(sample_requests(20), Sampling()))
    assert time.perf_counter() - start < 3


# Failures that the user must fix


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (http_error(401, f"Incorrect API key: {KEY[:8]}"), r"set \$OPENAI_API_KEY"),
        (http_error(403, "not in your country"), r"not in your country.*set \$OPENAI_API_KEY"),
        (http_error(404, "no model m"), "no model m.*--model"),
        (http_error(403, f"bad key {KEY} or sk-01****cdef or " + "x " * 200), "bad key \\*\\*\\* .*x"),
        (http_error(402, "pay"), "quota.*pay"),
        (http_error(400, "Your credit balance is too low"), "quota.*credit balance"),
        (http_error(301), "HTTP 301"),
        (lambda reply: reply.plain(429, {"error": {"message": "pay", "code": "insufficient_quota"}}), "quota.*pay"),
    ],
)
def test_permanent_refusals_are_user_errors(endpoint: Endpoint, act: Behavior, message: str) -> None:
    endpoint.respond_with(act)
    with pytest.raises(UserError, match=message) as caught:
        complete(endpoint)
    assert len(endpoint.bodies) == 1
    assert KEY[:5] not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 450
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_user_error_is_raised_after_the_finished_completions(endpoint: Endpoint) -> None:
    good, bad = threading.Event(), threading.Event()

    def late_refusal(reply: Reply) -> None:
        bad.set()
        good.wait(2)
        time.sleep(0.1)
        http_error(401)(reply)

    def fine(reply: Reply) -> None:
        bad.wait(2)
        answer_with("x")(reply)
        good.set()

    endpoint.respond_with(late_refusal)
    endpoint.default = fine
    results = backend(endpoint, concurrency=3).generate(sample_requests(3), Sampling())
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        assert [next(results).text for _ in range(3)] == ["x", "x"]


def test_key_is_never_shown(endpoint: Endpoint, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint.respond_with(
        http_error(500, KEY), send_stream(f'data: {{"error": "{KEY}"}}\n\n'.encode()), http_error(429, "z" * 295 + KEY)
    )
    source = backend(endpoint, max_retries=2, extra=json.dumps({"user": {"id": [KEY]}}))
    [completion] = source.generate([request()], Sampling())
    described = source.describe()
    assert completion.error
    assert described["extra"] == {"user": {"id": ["***"]}}
    shown = [
        completion.error,
        repr(completion),
        repr(source),
        repr(vars(source)),
        json.dumps(described),
        caplog.text,
        *capfd.readouterr(),
    ]
    assert "retrying in" in caplog.text
    assert KEY[:5] not in "".join(shown)


def test_key_given_as_a_variable_name_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="api_key_env") as caught:
        backend(api_key_env="hf_abcdefgh")
    assert "hf_" not in str(caught.value)
    monkeypatch.setenv("MY_KEY", "a\nb" * 5)
    with pytest.raises(UserError, match="MY_KEY") as caught:
        backend(api_key_env="MY_KEY")
    assert "a\nb" not in str(caught.value)
