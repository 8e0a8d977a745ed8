"""Reasoning before an answer is taken away, whatever marks it."""

import pytest

from evalharness.adapters.extraction.reasoning import without_reasoning


@pytest.mark.parametrize(
    "text",
    [
        "<think>draft</think>answer",
        "draft</think>answer",
        "<thinking>draft</thinking>answer",
        "<Thought>draft</Thought>answer",
        "<reasoning>draft</reasoning>answer",
        "<think>a <think> b</think>c</think>answer",
        "<think>a <reflection>b</reflection> draft</think>answer",
        "[THINK]draft[/THINK]answer",
        "◁think▷draft◁/think▷answer",
        "<|begin_of_thought|>draft<|end_of_thought|>answer",
        "<|START_THINKING|>draft<|END_THINKING|>answer",
        "<unused94>thought\ndraft<unused95>answer",
        "<seed:think>draft</seed:think>answer",
        "<think></think>answer",
        "<|channel|>analysis<|message|>draft<|end|><|start|>assistant<|channel|>final<|message|>answer<|return|>",
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary<|message|>b<|end|>"
        "<|start|>assistant<|channel|>final <|constrain|>text<|message|>answer",
        "analysisdraft of thoughtsassistantfinalanswer",
        "analysisdraftassistantcommentary to=x assistantfinalanswer",
        "an<think>draft</think>swer",
    ],
)
def test_reasoning_is_taken_away(text: str) -> None:
    assert without_reasoning(text).strip() == "answer"


@pytest.mark.parametrize(
    "text",
    [
        "answer",
        'x.replace("</think>", "")',
        "It ends with `</think>` here.",
        "I think that a < b and b > c",
        "analysis of the problem",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert without_reasoning(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "<think>cut at the limit",
        "<think>all</think>",
        "<|channel|>analysis<|message|>cut at the limit",
        "",
    ],
)
def test_reasoning_alone_leaves_nothing(text: str) -> None:
    assert without_reasoning(text) == ""
