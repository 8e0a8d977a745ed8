"""Prompts that an endpoint refuses, and the name of the token limit that it refuses."""

import json

import pytest
from helpers.openai_calls import CHAT, KEY, backend, complete, sample_requests
from helpers.openai_server import Behavior, Endpoint, Reply, answer_with, http_error, send_stream

from evalharness.backends.openai.backend import OpenAIBackend
from evalharness.errors import UserError
from evalharness.records import Completion, Sampling

FILTERED = "filtered by the content management policy"
UNWRAPPED = {"object": "error", "message": FILTERED, "type": "BadRequestError", "code": 400}
REFUSALS: dict[str, Behavior] = {
    "400": http_error(400, FILTERED),
    "400 for too long a prompt": http_error(400, "maximum context length is 8 tokens"),
    "413": http_error(413, "request entity too large"),
    "422": http_error(422, FILTERED),
    "451": http_error(451, FILTERED),
    "403 of a filter": http_error(403, "your input was flagged"),
    "500 for too long a prompt": http_error(500, "the request exceeds the available context size"),
    "429 for too long a prompt": http_error(429, "Request too large for m: limit 10, requested 12"),
    "400 in the stream": send_stream(b'data: {"error": {"code": 400, "message": "flagged"}}\n\n'),
    "400 in the stream, unwrapped": send_stream(f"data: {json.dumps(UNWRAPPED)}\n\n".encode()),
}


def generate(source: OpenAIBackend, count: int = 1) -> list[Completion]:
    return list(source.generate(sample_requests(count), Sampling()))


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refused_prompt_is_not_retried_and_settled_alone(endpoint: Endpoint, kind: str) -> None:
    endpoint.respond_with(answer_with("fine"), REFUSALS[kind])
    first, second, third = generate(backend(endpoint, concurrency=1), 3)
    assert (first.text, third.text, len(endpoint.bodies)) == ("fine", "ok", 3)
    assert (second.text, second.finish_reason, second.error) == ("", "refused", "")
    assert f"{endpoint.url} refuses the prompt (" in (second.refusal or "")
    assert second.started_at is None


def test_a_refusal_shows_no_secret(endpoint: Endpoint) -> None:
    endpoint.respond_with(http_error(400, f"bad\n{KEY} or sk-01****cdef or " + "temperature " * 50))
    refusal = complete(endpoint).refusal or ""
    assert "bad *** or *** or temperature" in refusal
    assert KEY[:5] not in refusal
    assert "\n" not in refusal
    assert len(refusal) < 400


def test_the_model_s_own_refusal_counts_as_one(endpoint: Endpoint) -> None:
    def refuse(reply: Reply) -> None:
        reply.start()
        for part in ("I can", "not."):
            reply.event({"choices": [{"index": 0, "delta": {"refusal": part}}]})
        reply.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        reply.end()

    endpoint.respond_with(refuse)
    completion = complete(endpoint)
    assert (completion.text, completion.finish_reason, completion.refusal) == ("", "refused", "I cannot.")


OPENAI = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."


PARAM_ALONE = json.dumps({"error": {"message": "Unsupported parameter", "param": "max_tokens"}}).encode()


def takes_only(name: str, message: str) -> Behavior:
    """Answers requests with the token limit under that name alone."""
    return lambda reply: (answer_with("x") if name in reply.body else http_error(400, message))(reply)


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ("max_completion_tokens", OPENAI),
        ("max_tokens", "Unrecognized request argument supplied: max_completion_tokens"),
        ("max_tokens", "[{'type': 'extra_forbidden', 'msg': 'max_completion_tokens is not permitted'}]"),
    ],
)
def test_the_token_limit_is_sent_under_the_name_that_the_endpoint_takes(
    endpoint: Endpoint, known: str, message: str
) -> None:
    other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[known]
    endpoint.default = takes_only(known, message)
    source = backend(endpoint, concurrency=1, max_tokens_field=other)
    assert source.adjusted_options() == {}
    assert [completion.text for completion in generate(source, 3)] == ["x", "x", "x"]
    assert [known in body for body in endpoint.bodies] == [False, True, True, True]
    assert {body.get(known, body.get(other)) for body in endpoint.bodies} == {768}
    assert source.adjusted_options() == {"max_tokens_field": known}
    assert source.describe()["max_tokens_field"] == other


def test_the_name_may_stand_beside_the_message(endpoint: Endpoint) -> None:
    endpoint.respond_with(lambda reply: reply.plain(400, PARAM_ALONE), answer_with("x"))
    assert complete(endpoint).text == "x"
    assert "max_completion_tokens" in endpoint.bodies[1]


def test_a_limit_that_is_refused_under_both_names_is_a_refusal(endpoint: Endpoint) -> None:
    endpoint.default = http_error(400, "'max_tokens' or 'max_completion_tokens' is too large: 768")
    source = backend(endpoint, concurrency=1)
    assert [completion.finish_reason for completion in generate(source, 2)] == ["refused", "refused"]
    assert source.adjusted_options() == {}


def test_other_refusals_that_name_the_field_change_nothing(endpoint: Endpoint) -> None:
    endpoint.default = http_error(400, "max_tokens is too large: 768. This model supports at most 512 tokens")
    assert complete(endpoint).finish_reason == "refused"
    assert len(endpoint.bodies) == 1


@pytest.mark.parametrize("status", [400, 402, 429])
def test_a_used_up_account_is_a_user_error_and_no_refusal(endpoint: Endpoint, status: int) -> None:
    endpoint.respond_with(answer_with("fine"))
    endpoint.default = http_error(status, "Your credit balance is too low to access the API")
    with pytest.raises(UserError, match="quota is used up"):
        generate(backend(endpoint, concurrency=1), 3)
    assert len(endpoint.bodies) == 2


def test_an_endpoint_with_the_chat_api_alone_is_named_with_the_recipe(endpoint: Endpoint) -> None:
    endpoint.default = http_error(404, "Not Found")
    with pytest.raises(UserError, match="if the endpoint has only the chat API, use --option recipe=chat"):
        complete(endpoint)
    with pytest.raises(UserError, match=r"base_url or --option api$"):
        complete(endpoint, CHAT)
