"""The endpoints: what they answer, and how they refuse what cannot be honoured."""

import time
from typing import Any

import httpx
import pytest
from helpers.model_server import ModelServer

PROMPT = "def add(a, b):\n"
VOWELS = 'def count_vowels(text):\n    """Return the number of vowels in text."""\n'
EDIT = """<|recently_viewed_code_snippets|>
<|/recently_viewed_code_snippets|>
<|current_file_content|>
current_file_path: demo.py
import os

<|code_to_edit|>
def total(values):
    <|cursor|>
    return result
<|/code_to_edit|>

print(total([1, 2]))
<|/current_file_content|>
<|edit_diff_history|>
<|/edit_diff_history|>
"""


def chunks(events: list[tuple[str, Any]]) -> list[Any]:
    return [data for name, data in events if not name and data["choices"]]


def frames(events: list[tuple[str, Any]]) -> list[Any]:
    return [data for name, data in events if name == "denoising_frame"]


def test_models_are_listed_by_way_of_decoding(server: ModelServer) -> None:
    listed = server.http.get("/v1/models").json()["data"]
    assert [model["id"] for model in listed] == ["bundled", "bundled:diffusion", "bundled:ar"]
    assert [model["decoding"] for model in listed] == ["diffusion", "diffusion", "ar"]
    assert server.http.get("/v1/models/bundled:ar").json() == listed[2]
    assert server.http.get("/v1/models/gpt").status_code == 404


def test_an_answer_has_usage_and_timings(server: ModelServer) -> None:
    response = server.post("completions", prompt=PROMPT, max_tokens=30, threshold=0.4)
    answer = response.json()
    usage, timings = answer["usage"], answer["timings"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert 0 < usage["forward_passes"] < usage["completion_tokens"]
    assert 0 < timings["prefill_ms"] < timings["ttft_ms"] <= timings["total_ms"]
    assert float(response.headers["x-ttft-ms"]) == timings["ttft_ms"]
    body = {"model": "bundled:ar", "prompt": VOWELS, "max_tokens": 12}
    drafted = server.post("completions", **body, draft=6).json()["usage"]
    details = drafted["completion_tokens_details"]
    assert details["accepted_prediction_tokens"] > 0
    plain = server.post("completions", **body).json()["usage"]
    assert drafted["forward_passes"] < plain["forward_passes"] == plain["completion_tokens"] == 12


def test_options_of_decoding_choose_the_way(server: ModelServer) -> None:
    by_option = server.post("completions", prompt=PROMPT, max_tokens=20, draft="lookup").json()
    by_name = server.post("completions", model="bundled:ar", prompt=PROMPT, max_tokens=20).json()
    assert by_option["choices"] == by_name["choices"]
    assert by_option["model"] == "bundled"


def test_a_stream_appends_text_and_may_replace_it(server: ModelServer) -> None:
    body = {"prompt": PROMPT, "max_tokens": 40, "stop": ["\n    return"]}
    whole = server.text(**body)
    appended = chunks(server.stream("completions", **body))
    assert "".join(chunk["choices"][0]["text"] for chunk in appended) == whole
    assert len(appended) > 2
    assert [bool(chunk["choices"][0]["finish_reason"]) for chunk in appended] == [False] * (len(appended) - 1) + [True]
    replaced = [chunk["choices"][0]["text"] for chunk in chunks(server.stream("completions", **body, diffusing=True))]
    assert replaced[-1] == whole
    assert "░" in replaced[0]
    assert "░" not in replaced[-1]


@pytest.mark.parametrize(
    ("model", "options"),
    [("diffusion", {"threshold": 0.5}), ("diffusion", {"rule": "editing", "threshold": 0.6}), ("ar", {}),
     ("ar", {"draft": 6}), ("ar", {"draft": "lookup"})],
)  # fmt: skip
def test_frames_tell_how_the_text_came_about(server: ModelServer, model: str, options: dict[str, Any]) -> None:
    body = {"model": f"bundled:{model}", "prompt": VOWELS, "max_tokens": 40, **options}
    events = server.stream("completions", **body, denoising_frames=True, stream_options={"include_usage": True})
    usage = events[-1][1]["usage"]
    told = frames(events)
    canvas: dict[int, str] = {}
    for frame in told:
        assert frame["start"] <= min(frame["positions"], default=frame["start"])
        assert all(0 < confidence <= 1 for confidence in frame["confidences"])
        canvas |= dict(zip(frame["positions"], frame["tokens"], strict=True))
    text = server.text(**body)
    assert "".join(canvas[position] for position in range(usage["completion_tokens"])).startswith(text)
    assert [frame["forward_pass"] for frame in told] == list(range(1, usage["forward_passes"] + 1))
    assert sorted(frame["ms"] for frame in told) == [frame["ms"] for frame in told]
    details = usage["completion_tokens_details"]
    assert sum(len(frame["rejected"]) for frame in told) == details["rejected_prediction_tokens"]


def test_log_probabilities(server: ModelServer) -> None:
    message = [{"role": "user", "content": "Add two numbers."}]
    answer = server.post("chat/completions", messages=message, max_tokens=12, logprobs=True).json()["choices"][0]
    tokens = answer["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == answer["message"]["content"]
    assert all(token["logprob"] <= 0 for token in tokens)
    text = server.post("completions", model="bundled:ar", prompt=PROMPT, max_tokens=9, logprobs=1).json()["choices"][0]
    assert len(text["logprobs"]["tokens"]) == len(text["logprobs"]["token_logprobs"]) == 9
    assert min(text["logprobs"]["token_logprobs"]) < -0.01


def test_infilling_endpoints(server: ModelServer) -> None:
    body = {"prompt": "def f(x):\n    y = ", "suffix": "\n    return y\n", "max_tokens": 20}
    middle = server.text(**body)
    fim = server.post("fim/completions", **body).json()["choices"][0]
    assert fim["text"] == fim["message"]["content"] == middle
    streamed = chunks(server.stream("fim/completions", **body))
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in streamed) == middle
    empty = server.post("fim/completions", prompt=PROMPT, max_tokens=10).json()["choices"][0]["text"]
    assert empty == server.text(prompt=PROMPT, suffix="<|endoftext|>", max_tokens=10)
    edit = server.post("edit/completions", messages=[{"role": "user", "content": EDIT}], max_tokens=20).json()
    content = edit["choices"][0]["message"]["content"]
    assert content.startswith("```\ndef total(values):\n    ")
    assert content.endswith("\n    return result\n```")
    streamed = server.stream("edit/completions", messages=[{"role": "user", "content": EDIT}], max_tokens=20)
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks(streamed)) == content
    apply = "<|original_code|>\na = 1\n<|/original_code|>\n\n<|update_snippet|>\na = 2\n<|/update_snippet|>"
    merged = server.post("apply/completions", messages=[{"role": "user", "content": apply}], max_tokens=20)
    assert merged.json()["choices"][0]["message"]["role"] == "assistant"


def test_several_prompts_in_one_request(server: ModelServer) -> None:
    choices = server.post("completions", prompt=[PROMPT, "x = "], n=2, max_tokens=8, temperature=1, seed=1).json()["choices"]  # noqa: E501 # fmt: skip
    assert [choice["index"] for choice in choices] == [0, 1, 2, 3]
    assert choices[2]["text"] == server.text(prompt="x = ", max_tokens=8, temperature=1, seed=1)


@pytest.mark.parametrize(
    ("path", "body", "parameter", "words"),
    [
        ("completions", {}, "prompt", "missing"),
        ("completions", {"prompt": 1}, "prompt", "valid string"),
        ("completions", {"prompt": "x", "temprature": 1}, "temprature", "did you mean temperature"),
        ("completions", {"prompt": "x", "temperature": "0.5"}, "temperature", "number"),
        ("completions", {"prompt": "x", "temperature": 3}, "temperature", "less than or equal to 2"),
        ("completions", {"prompt": "x", "top_p": 0}, "top_p", "greater than 0"),
        ("completions", {"prompt": "x", "max_tokens": 0}, "max_tokens", "at least 1|greater than or equal to 1"),
        ("completions", {"prompt": "x", "max_tokens": 2.5}, "max_tokens", "integer"),
        ("completions", {"prompt": "x", "n": 65}, "n", "64"),
        ("completions", {"prompt": "x", "stop": ["a", ""]}, "stop", "empty"),
        ("completions", {"prompt": "x", "frequency_penalty": 0.5}, "frequency_penalty", "not supported"),
        ("completions", {"prompt": "x", "echo": True}, "echo", "not supported"),
        ("completions", {"prompt": "x", "logprobs": 5}, "logprobs", "alternatives"),
        ("completions", {"prompt": "x", "diffusing": True}, "diffusing", "stream"),
        ("completions", {"prompt": "x", "stream_options": {"include_usage": True}}, "stream_options", "stream"),
        ("completions", {"prompt": "x", "rule": "nothing"}, "rule", "nothing"),
        ("completions", {"prompt": "x", "threshold": 1.5}, "threshold", "less than or equal to 1"),
        ("completions", {"prompt": "x", "rule": "confidence", "threshold": 0.5}, "threshold", "no effect"),
        ("completions", {"prompt": "x", "model": "bundled:ar", "block": 4}, "block", "no effect"),
        ("completions", {"prompt": "x", "draft": -1}, "draft", "draft"),
        ("completions", {"prompt": "x", "draft": 2, "threshold": 0.5}, "draft", "no effect"),
        ("completions", {"prompt": "", "max_tokens": 3}, "prompt", "no tokens"),
        ("completions", {"prompt": "a b c " * 2000}, "prompt", "shorten the prompt"),
        ("chat/completions", {"messages": []}, "messages", "at least 1 item"),
        ("chat/completions", {"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role", "user"),
        ("chat/completions", {"messages": [{"role": "assistant", "content": "x"}]}, "messages", "user"),
        ("chat/completions", {"messages": [{"role": "user", "content": "x"}], "tools": [{}]}, "tools", "not supported"),
        ("edit/completions", {"messages": [{"role": "user", "content": "x"}]}, "messages", "current_file_content"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_a_400_that_names_the_parameter(
    server: ModelServer, path: str, body: dict[str, Any], parameter: str, words: str
) -> None:
    response = server.post(path, **body)
    error = response.json()["error"]
    assert response.status_code == 400, response.text
    assert error["param"] == parameter
    assert any(word in error["message"] for word in words.split("|")), error["message"]
    assert "\n" not in error["message"]
    assert server.idle()


def test_neutral_values_of_other_parameters_are_accepted(server: ModelServer) -> None:
    neutral = {"frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {}, "tools": [], "user": "me",
               "response_format": {"type": "text"}, "metadata": {"a": "b"}, "stop": None, "seed": None}  # fmt: skip
    message = [{"role": "user", "content": [{"type": "text", "text": "Add two numbers."}]}]
    assert server.post("chat/completions", messages=message, max_tokens=4, **neutral).status_code == 200


def test_an_unknown_model_is_a_404_that_lists_the_known_ones(server: ModelServer) -> None:
    response = server.post("completions", model="gpt", prompt="x")
    assert response.status_code == 404
    assert "bundled, bundled:diffusion, bundled:ar" in response.json()["error"]["message"]


def test_an_empty_answer_says_why(server: ModelServer) -> None:
    first = server.text(prompt=PROMPT, max_tokens=5)
    choice = server.post("completions", prompt=PROMPT, max_tokens=5, stop=first[:1]).json()["choices"][0]
    assert choice["text"] == ""
    assert "begins with a stop sequence" in choice["note"]


@pytest.mark.parametrize("key", ["", "Bearer wrong", "Basic correct horse"])
def test_without_the_key_only_health_and_the_page_answer(server: ModelServer, key: str) -> None:
    headers = {"authorization": key} if key else {}
    for path in ("/v1/models", "/metrics", "/v1/completions"):
        response = httpx.get(server.url + path, headers=headers)
        assert response.status_code == 401
        assert response.json()["error"]["type"] == "authentication_error"
    assert httpx.get(f"{server.url}/health").status_code == 200


def test_metrics(server: ModelServer) -> None:
    server.text(prompt=PROMPT, max_tokens=8)
    deadline = time.monotonic() + 10
    text = ""
    while "evalharness_rows_running 0.0" not in text and time.monotonic() < deadline:  # the batch ends after its answer
        text = server.http.get("/metrics").text
    for line in (
        'evalharness_responses_total{code="200"}', 'evalharness_tokens_total{kind="output"}',
        'evalharness_draft_tokens_total{result="accepted"}', "evalharness_rows_running 0.0",
        "evalharness_rows_waiting 0.0", "evalharness_ttft_seconds_count", "evalharness_tpot_seconds_sum",
        "evalharness_tokens_per_second",
    ):  # fmt: skip
        assert line in text
    assert server.http.options("/v1/models").headers.get("access-control-allow-origin") is None
