"""Extraction of the middle from a model's output."""

import pytest

from evalharness.adapters.extraction.infilling import MIDDLE_EXTRACTIONS, extract_middle
from evalharness.data.cards import Recipe, load_cards
from evalharness.records import Completion, Problem, Prompt

PREFIX, SUFFIX = "def f(x):\n    y = x\n    if y", "\n    return y\n"
PROBLEM = Problem("t", Prompt(""), {}, "", prefix=PREFIX, suffix=SUFFIX)


def official_overlap(text: str) -> str:
    """A second implementation of the published rule: remove the longest overlap at the beginning, then at the end."""

    def counts(shared: str) -> bool:
        return bool(shared.strip()) or "\n" in shared

    sizes = [n for n in range(len(text) + 1) if n and PREFIX.endswith(text[:n]) and counts(text[:n])]
    text = text[max(sizes, default=0) :]
    sizes = [n for n in range(len(SUFFIX) + 1) if n and text.endswith(SUFFIX[:n]) and counts(SUFFIX[:n])]
    return text[: len(text) - max(sizes, default=0)]


@pytest.mark.parametrize(
    ("text", "middle"),
    [
        (" > 0: pass", " > 0: pass"),
        ("y > 0: pass", " > 0: pass"),
        ("if y > 0: pass", " > 0: pass"),
        ("    y = x\n    if y > 0: pass", " > 0: pass"),
        (" > 0: pass\n", " > 0: pass"),
        (" > 0: pass\n    return y\n", " > 0: pass"),
        (" > 0: pass\n    return y\n\n", " > 0: pass\n    return y\n"),
        ("if y > 0: pass\n    return", " > 0: pass"),
        ("if y", ""),
        ("", ""),
        (" ", " "),
        ("\n", ""),
        ("\n    return y\n", ""),
    ],
)
def test_overlap(text: str, middle: str) -> None:
    assert MIDDLE_EXTRACTIONS["without_overlap"](PROBLEM, text) == middle == official_overlap(text)


@pytest.mark.parametrize(
    ("cut", "text", "middle"),
    [
        ("as_it_is", "a\nb", "a\nb"),
        ("first_line", "a\nb", "a\n"),
        ("first_line", "a", "a\n"),
        ("first_line", "\na", "\n"),
        ("first_line", "", "\n"),
        ("first_filled_line", "a\nb", "a"),
        ("first_filled_line", "\na\nb", "a"),
        ("first_filled_line", " \n a\nb", " a"),
        ("first_filled_line", "  \na", "  "),
        ("first_filled_line", "", ""),
    ],
)
def test_extractions(cut: str, text: str, middle: str) -> None:
    assert MIDDLE_EXTRACTIONS[cut](PROBLEM, text) == middle


def test_a_whole_program_must_have_prefix_and_suffix() -> None:
    recipe = Recipe(kind="infill", middle="free", description="", extraction="as_it_is", max_new_tokens=1)

    def middle(text: str) -> str | None:
        return extract_middle(PROBLEM, Completion("t", 0, text, form="solution"), recipe)

    assert middle(f"{PREFIX} > 1: pass{SUFFIX}") == " > 1: pass"
    assert middle(PREFIX + SUFFIX) == ""
    assert middle(PREFIX + SUFFIX[1:]) is None
    assert middle(f"{PREFIX}x") is None
    assert (
        extract_middle(
            Problem("t", Prompt(""), {}, "", prefix="ab", suffix="bc"),
            Completion("t", 0, "abc", form="solution"),
            recipe,
        )
        is None
    )


def test_every_infilling_recipe_has_an_extraction() -> None:
    for card in load_cards():
        if card.adapter in ("fim", "santacoder-fim"):
            assert {recipe.extraction for recipe in card.recipes.values()} <= set(MIDDLE_EXTRACTIONS)
            assert all(recipe.middle == "free" for recipe in card.recipes.values() if recipe.stops and recipe.middle)
