"""Infilling prompts as the backend `openai` sends them."""

import pytest
from helpers.infilling_models import MIDDLE, PREFIX, SUFFIX, infilling_request
from helpers.openai_calls import TEXT, backend, complete
from helpers.openai_server import Endpoint, answer_with

from evalharness.errors import UserError
from evalharness.records import MiddleLength, Sampling


@pytest.mark.parametrize("options", [{}, {"api": "completions"}])
def test_suffix_is_sent_as_a_field(endpoint: Endpoint, options: dict[str, str]) -> None:
    endpoint.respond_with(answer_with(MIDDLE))
    prompt = infilling_request(PREFIX, SUFFIX, ["\n\n"]).problem.prompt
    completion = complete(endpoint, prompt, Sampling(max_new_tokens=64), stream=False, **options)
    (body,), (path,) = endpoint.bodies, endpoint.paths
    assert path == "/v1/completions"
    seed = body.pop("seed")
    assert isinstance(seed, int)
    assert body == {
        "model": "m", "prompt": PREFIX, "suffix": SUFFIX, "temperature": 0.0, "top_p": 1.0, "max_tokens": 64,
        "stream": False, "stop": ["\n\n"],
    }  # fmt: skip
    assert completion.text == MIDDLE


def test_sentinels_are_sent_in_the_prompt(endpoint: Endpoint) -> None:
    """The text is cut at all end texts of the format, also at those that were not sent as stop sequences."""
    endpoint.respond_with(answer_with(f"{MIDDLE}<|repo_name|>x"))
    completion = complete(endpoint, infilling_request(PREFIX, SUFFIX).problem.prompt, stream=False, fim="qwen")
    (body,) = endpoint.bodies
    assert body["prompt"] == f"<|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>"
    assert "suffix" not in body
    assert body["stop"] == ["<|endoftext|>", "<|file_sep|>", "<|fim_pad|>", "<|cursor|>"]
    assert completion.text == MIDDLE


def test_text_prompt_is_sent_without_suffix(endpoint: Endpoint) -> None:
    endpoint.respond_with(answer_with("x"))
    complete(endpoint, TEXT, stream=False, fim="qwen")
    assert (endpoint.bodies[0]["prompt"], "suffix" in endpoint.bodies[0]) == (TEXT.text, False)
    assert "stop" not in endpoint.bodies[0]


def test_chat_api_cannot_infill() -> None:
    with pytest.raises(UserError, match=r"the chat API cannot infill.*api=chat") as caught:
        backend(api="chat").check_prompt(infilling_request(PREFIX, SUFFIX).problem.prompt)
    assert "\n" not in str(caught.value)
    backend(api="chat").check_prompt(TEXT)
    with pytest.raises(UserError, match="extra cannot set the request field suffix; use --option fim"):
        backend(extra='{"suffix": "x"}')


@pytest.mark.parametrize("middle_length", ["oracle", "canvas", "search"])
def test_endpoints_take_only_free_middles(middle_length: MiddleLength) -> None:
    prompt = infilling_request(PREFIX, SUFFIX, middle_length=middle_length).problem.prompt
    with pytest.raises(UserError, match=rf"middle: {middle_length}.*from left to right.*recipe=plain"):
        backend().check_prompt(prompt)
