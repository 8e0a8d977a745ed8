"""An endpoint that fails for every request is not sent all problems of a run."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers.openai_calls import backend, sample_requests
from helpers.openai_server import Behavior, Endpoint, Reply, answer_with, http_error

from evalharness.backends.openai.circuit_breaker import FAILURES_IN_A_ROW, CircuitBreaker
from evalharness.errors import InfrastructureError
from evalharness.records import Sampling

PAGE = b"<!DOCTYPE html><html><head><style>b{}</style><title>502 Bad Gateway</title></head><body>nginx</body></html>"


def page(status: int) -> Behavior:
    return lambda reply: reply.plain(status, PAGE, {"content-type": "text/html"})


def page_without_type(reply: Reply) -> None:
    reply.plain(200, PAGE, {"content-type": "text/event-stream"})


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (http_error(500, "no GPU"), "the endpoint answered HTTP 500: no GPU"),
        (page(502), "the endpoint answered HTTP 502: an HTML page: 502 Bad Gateway nginx"),
        (page(200), "the endpoint sent no JSON answer, but an HTML page: 502 Bad Gateway nginx"),
        (page_without_type, "the endpoint sent no JSON answer, but an HTML page: 502 Bad Gateway nginx"),
    ],
)
def test_a_dead_endpoint_stops_a_run_after_a_few_problems(endpoint: Endpoint, failure: Behavior, message: str) -> None:
    endpoint.default = failure
    source = backend(endpoint, concurrency=2, max_retries=1)
    completions = list(source.generate(sample_requests(100), Sampling()))
    assert len(completions) == 100
    assert all(message in completion.error for completion in completions)
    assert len(endpoint.bodies) <= 2 * (FAILURES_IN_A_ROW + 2)
    assert completions[0].error == f"{message} (the request failed in attempt 2 of 2)"
    assert completions[-1].error.startswith("request not sent, because the last ")


def test_an_endpoint_that_recovers_gets_all_later_requests(endpoint: Endpoint) -> None:
    endpoint.respond_with(*[http_error(503)] * FAILURES_IN_A_ROW)
    source = backend(endpoint, concurrency=1, max_retries=0)
    completions = list(source.generate(sample_requests(30), Sampling()))
    assert [bool(completion.error) for completion in completions] == [True] * FAILURES_IN_A_ROW + [False] * 26
    assert len(endpoint.bodies) == 30


def test_requests_wait_for_the_probe_and_follow_it_together() -> None:
    async def run() -> None:
        breaker, started = CircuitBreaker(), 0
        probed, followed = asyncio.Event(), asyncio.Event()

        async def fail() -> str:
            raise InfrastructureError("down")

        async def send() -> str:
            nonlocal started
            started += 1
            await (probed if started == 1 else followed).wait()
            return "x"

        for _ in range(FAILURES_IN_A_ROW):
            with pytest.raises(InfrastructureError, match="down"):
                await breaker.call(fail)
        calls = [asyncio.create_task(breaker.call(send)) for _ in range(8)]
        await asyncio.sleep(0.05)
        assert started == 1
        probed.set()
        async with asyncio.timeout(10):
            while started < 8:  # none of them ends before `followed` is set
                await asyncio.sleep(0)
        followed.set()
        assert await asyncio.gather(*calls) == ["x"] * 8

    # A browser of another test may keep an event loop running in this thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()


def test_single_failures_and_refusals_open_nothing(endpoint: Endpoint) -> None:
    for _ in range(10):
        endpoint.respond_with(*[http_error(500)] * (FAILURES_IN_A_ROW - 1), http_error(400))
    source = backend(endpoint, concurrency=1, max_retries=0)
    completions = list(source.generate(sample_requests(40), Sampling()))
    assert sum("HTTP 500" in completion.error for completion in completions) == 10 * (FAILURES_IN_A_ROW - 1)
    assert not any("not sent" in completion.error for completion in completions)


def test_the_next_call_tries_again(endpoint: Endpoint) -> None:
    endpoint.default = http_error(503)
    source = backend(endpoint, concurrency=1, max_retries=0)
    assert all(completion.error for completion in source.generate(sample_requests(10), Sampling()))
    endpoint.default = answer_with("back")
    assert [completion.text for completion in source.generate(sample_requests(2), Sampling())] == ["back", "back"]
