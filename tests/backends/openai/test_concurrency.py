"""Many requests in flight: order, cancellation and threads."""

import threading
import time
from collections.abc import Iterator

import pytest
from helpers.openai_calls import backend, request, sample_requests
from helpers.openai_server import Endpoint, Reply, answer_with

from evalharness.records import Request, Sampling


def test_connections_are_reused(endpoint: Endpoint) -> None:
    ports = set()

    def behave(reply: Reply) -> None:
        ports.add(reply.handler.client_address[1])
        answer_with("x")(reply)

    endpoint.default = behave
    assert len(list(backend(endpoint, concurrency=1).generate(sample_requests(5), Sampling()))) == 5
    assert len(ports) == 1


def test_concurrency_is_reached_and_requests_are_taken_lazily(endpoint: Endpoint) -> None:
    limit, taken, received = 5, 0, 0

    def requests() -> Iterator[Request]:
        nonlocal taken
        for j in range(20):
            taken += 1
            assert taken - received <= limit + 1
            yield request(sample_id=j)

    endpoint.default = answer_with("x", delay_s=0.03)
    for _ in backend(endpoint, concurrency=limit).generate(requests(), Sampling()):
        received += 1
        assert taken - received <= limit
    assert received == 20
    assert endpoint.most_in_flight == limit


def test_completions_are_yielded_as_they_finish(endpoint: Endpoint) -> None:
    first = threading.Event()

    def slow(reply: Reply) -> None:
        first.wait(2)
        time.sleep(0.1)
        answer_with("slow")(reply)

    def fast(reply: Reply) -> None:
        answer_with("x")(reply)
        first.set()

    endpoint.respond_with(slow)
    endpoint.default = fast
    results = backend(endpoint, concurrency=2).generate(sample_requests(2), Sampling())
    assert [completion.text for completion in results] == ["x", "slow"]


def test_answers_are_timed_while_the_caller_is_busy(endpoint: Endpoint) -> None:
    endpoint.default = answer_with("x", "y", delay_s=0.02)
    results = backend(endpoint, concurrency=2).generate(sample_requests(3), Sampling())
    next(results)
    time.sleep(0.5)
    assert all((completion.total_s or 9) < 0.45 for completion in results)


def request_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "openai-requests"]


@pytest.mark.parametrize("how", ["close", "interrupt"])
def test_closing_early_cancels_requests_in_flight(endpoint: Endpoint, how: str) -> None:
    endpoint.respond_with(answer_with("x"))
    endpoint.default = answer_with(*"y" * 500, delay_s=0.01)
    results = backend(endpoint, concurrency=3).generate(sample_requests(9), Sampling())
    assert next(results).text == "x"
    start = time.perf_counter()
    if how == "close":
        results.close()  # type: ignore[attr-defined]
    else:
        with pytest.raises(KeyboardInterrupt):
            results.throw(KeyboardInterrupt())  # type: ignore[attr-defined]
    assert time.perf_counter() - start < 2
    assert not request_threads()
    assert endpoint.dropped.wait(2)


def test_no_thread_remains_after_generation(endpoint: Endpoint) -> None:
    source = backend(endpoint)
    assert len(list(source.generate(sample_requests(3), Sampling()))) == 3
    assert list(source.generate([], Sampling())) == []
    assert not request_threads()
    source.close()
    source.close()


def test_exception_of_the_request_iterator_is_raised(endpoint: Endpoint) -> None:
    def requests() -> Iterator[Request]:
        yield request()
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        list(backend(endpoint).generate(requests(), Sampling()))
    assert not request_threads()
