"""The openai backend against a real local endpoint that fails: what is retried, what is refused, what is never told."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from helpers.openai_calls import KEY, backend, complete, request, samples
from helpers.openai_server import Act, Endpoint, Reply, break_off, free_port, in_turn, pause, refuse, say, send, serving

from evalharness.errors import UserError
from evalharness.records import Sampling


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as served:
        yield served


# Failures that pass


def hang(reply: Reply) -> None:
    reply.start()
    reply.event(reply.text("x"))
    time.sleep(0.5)


BAD_JSON = send(b'data: {"choices": [{"text": "x"\n\n')
FAILURES: dict[str, Act] = {
    "429": refuse(429, "slow down"),
    "500": refuse(500),
    "502": lambda reply: reply.plain(502, b"<html>bad gateway</html>", {"content-type": "text/html"}),
    "503": refuse(503),
    "504": refuse(504),
    "529": refuse(529),
    "408": refuse(408),
    "cut": break_off("half an ans"),
    "cut at once": break_off(),
    "no end": say("half an ans", finish=None, done=False),
    "nothing": say(finish=None),
    "malformed": BAD_JSON,
    "not an object": send(b"data: [1]\n\n"),
    "not UTF-8": send(b'data: {"choices": [{"text": "\xff"}]}\n\n'),
    "error in the stream": send(b'data: {"error": {"message": "overloaded"}}\n\n'),
    "aborted": say("x", finish="abort"),
    "idle": hang,
}


@pytest.mark.parametrize("failure", FAILURES)
def test_passing_failures_are_retried(endpoint: Endpoint, failure: str) -> None:
    endpoint.play(FAILURES[failure], FAILURES[failure], say("whole"))
    got = complete(endpoint, idle_timeout_s=0.1)
    assert (got.text, got.error, got.output_tokens) == ("whole", "", 5)
    assert len(endpoint.bodies) == 3
    assert endpoint.bodies[0] == endpoint.bodies[2]


def test_timing_is_that_of_the_attempt_that_succeeded(endpoint: Endpoint) -> None:
    def slow(reply: Reply) -> None:
        reply.start()
        reply.event(reply.text("x"))
        time.sleep(0.3)
        reply.cut()

    endpoint.play(slow, say("y"))
    before, begin = time.time(), time.perf_counter()
    got = complete(endpoint)
    assert got.text == "y"
    assert (got.started_at or 0) >= before + 0.29
    assert (got.total_s or 9) <= time.perf_counter() - begin - 0.3


def test_silence_before_the_answer_is_not_idleness(endpoint: Endpoint) -> None:
    endpoint.play(in_turn(pause(0.3), say("x")))
    assert complete(endpoint, idle_timeout_s=0.1).text == "x"
    assert len(endpoint.bodies) == 1


def test_timeout_of_an_attempt(endpoint: Endpoint) -> None:
    endpoint.play(pause(0.3), say(*"xyz" * 10, delay_s=0.02), say("x"))
    got = complete(endpoint, timeout_s=0.15, max_retries=1)
    assert "no answer in time" in got.error
    assert "2 of 2" in got.error
    assert complete(endpoint, timeout_s=0.15).text == "x"


def date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(("value", "at_least_s"), [(lambda: "0.3", 0.3), (lambda: date(1.2), 0.1)])
def test_retry_after_is_honoured(endpoint: Endpoint, value: Callable[[], str], at_least_s: float) -> None:
    endpoint.play(refuse(429, Retry_After=value()), say("x"))
    assert complete(endpoint).text == "x"
    assert at_least_s <= endpoint.times[1] - endpoint.times[0] < 2


@pytest.mark.parametrize("value", ["soon", "-5", "nan", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_useless_retry_after_does_no_harm(endpoint: Endpoint, value: str) -> None:
    endpoint.play(refuse(503, Retry_After=value), say("x"))
    assert complete(endpoint).text == "x"
    assert endpoint.times[1] - endpoint.times[0] < 2


def test_retries_are_used_up(endpoint: Endpoint) -> None:
    endpoint.otherwise = refuse(500, f"broken\nby {KEY}")
    got = complete(endpoint, max_retries=2)
    assert got.error == "HTTP 500: broken by *** (attempt 3 of 3)"
    assert (got.text, got.output_tokens, got.total_s, got.started_at) == ("", None, None, None)
    assert len(endpoint.bodies) == 3


def test_an_endpoint_that_goes_away() -> None:
    """Once reached, an endpoint that refuses connections has failed; before, its address may be wrong."""
    with serving() as endpoint:
        subject = backend(endpoint, concurrency=1, max_retries=4)
        results = subject.generate(samples(2), Sampling())
        endpoint.play(in_turn(pause(0.05), say("x")))
        endpoint.otherwise = break_off()
        assert next(results).text == "x"
    [left] = list(results)
    assert "attempt 5 of 5" in left.error


def test_an_endpoint_that_was_never_there() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    begin = time.perf_counter()
    with pytest.raises(UserError, match=f"cannot connect to {url}"):
        list(backend(base_url=url).generate(samples(20), Sampling()))
    assert time.perf_counter() - begin < 3


# Failures that the user must mend


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (refuse(401, f"Incorrect API key: {KEY[:8]}"), "set OPENAI_API_KEY"),
        (refuse(403, "not in your country"), "not in your country.*set OPENAI_API_KEY"),
        (refuse(404, "no model m"), "no model m.*--model"),
        (refuse(400, f"bad key {KEY} or sk-01****cdef or " + "temperature " * 50), "bad key \\*\\*\\* .*temperature"),
        (refuse(422, "no stop"), "HTTP 422: no stop"),
        (refuse(301), "HTTP 301"),
        (lambda reply: reply.plain(429, {"error": {"message": "pay", "code": "insufficient_quota"}}), "quota.*pay"),
    ],
)
def test_refusals(endpoint: Endpoint, act: Act, message: str) -> None:
    endpoint.play(act)
    with pytest.raises(UserError, match=message) as caught:
        complete(endpoint)
    assert len(endpoint.bodies) == 1
    assert KEY[:5] not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 450
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_refusal_comes_after_what_has_finished(endpoint: Endpoint) -> None:
    good, bad = threading.Event(), threading.Event()

    def late_refusal(reply: Reply) -> None:
        bad.set()
        good.wait(2)
        time.sleep(0.1)
        refuse(401)(reply)

    def fine(reply: Reply) -> None:
        bad.wait(2)
        say("x")(reply)
        good.set()

    endpoint.play(late_refusal)
    endpoint.otherwise = fine
    results = backend(endpoint, concurrency=3).generate(samples(3), Sampling())
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        assert [next(results).text for _ in range(3)] == ["x", "x"]


def test_the_key_is_nowhere(endpoint: Endpoint, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint.play(refuse(500, KEY), send(f'data: {{"error": "{KEY}"}}\n\n'.encode()), refuse(429, "z" * 295 + KEY))
    subject = backend(endpoint, max_retries=2, extra=json.dumps({"user": {"id": [KEY]}}))
    [got] = subject.generate([request()], Sampling())
    described = subject.describe()
    assert got.error
    assert described["extra"] == {"user": {"id": ["***"]}}
    shown = [
        got.error,
        repr(got),
        repr(subject),
        repr(vars(subject)),
        json.dumps(described),
        caplog.text,
        *capfd.readouterr(),
    ]
    assert "retrying in" in caplog.text
    assert KEY[:5] not in "".join(shown)


def test_a_key_given_as_the_name_of_a_variable_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="api_key_env") as caught:
        backend(api_key_env="hf_abcdefgh")
    assert "hf_" not in str(caught.value)
    monkeypatch.setenv("MY_KEY", "a\nb" * 5)
    with pytest.raises(UserError, match="MY_KEY") as caught:
        backend(api_key_env="MY_KEY")
    assert "a\nb" not in str(caught.value)


def test_a_request_refused_after_others_were_answered_is_its_own_failure(endpoint: Endpoint) -> None:
    endpoint.play(say("fine"), refuse(400, "maximum context length is 8 tokens"))
    first, second = backend(endpoint, concurrency=1).generate(samples(2), Sampling())
    assert first.text == "fine"
    assert "maximum context length" in second.error
