"""In every language, one test at a time is made false by a value that does not occur in the problem."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.sandbox.languages import languages_by_image
from evalharness.sandbox.tampering.canaries import append_print_of_secret_token, make_canaries
from evalharness.sandbox.tampering.false_values import make_unequal_value
from evalharness.sandbox.tampering.false_values import normalize_literal as _normal

NAMES = sorted(languages_by_image())


@pytest.mark.parametrize("name", NAMES)
def test_the_token_follows_the_last_test(name: str) -> None:
    form, tests = languages_by_image()[name].tests, languages_by_image()[name].hello.tests
    text = append_print_of_secret_token(tests, form, "SECRET")
    last = list(re.finditer(form.line, text))[-1]
    assert text.count("SECRET") == 1
    assert text.index("SECRET") > last.end()
    assert text.replace(form.end.replace("{token}", "SECRET") + "\n", "").split() == tests.split()


@pytest.mark.parametrize("name", NAMES)
def test_every_test_is_made_false_once(name: str) -> None:
    form, tests = languages_by_image()[name].tests, languages_by_image()[name].hello.tests
    values = [match["expected"] for match in re.finditer(form.line, tests)]
    values_by_canary = [
        [match["expected"] for match in re.finditer(form.line, text)] for text in make_canaries(tests, form, "SECRET")
    ]
    assert len(values_by_canary) == len(values) >= 3
    for number, changed in enumerate(values_by_canary):
        assert [index for index, value in enumerate(changed) if value != values[index]] == [number]
        assert _normal(changed[number]) != _normal(values[number])


@pytest.mark.parametrize("name", NAMES)
def test_tests_of_another_form_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="do not match the pattern"):
        append_print_of_secret_token("nothing of the kind", languages_by_image()[name].tests, "SECRET")


@pytest.mark.data
@pytest.mark.parametrize("name", NAMES)
def test_the_tests_of_every_multipl_e_problem_match(name: str, datasets_dir: Path) -> None:
    form = languages_by_image()[name].tests
    paths = sorted((datasets_dir / "multipl_e").glob(f"*/*-{languages_by_image()[name].code}-reworded.json*"))
    assert paths
    for path in paths:
        text = path.read_text()
        rows = json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]
        for row in rows:
            assert re.search(form.line, row["tests"]), (path.name, row["name"])
            whole, made = (
                append_print_of_secret_token(row["tests"], form, "SECRET"),
                list(make_canaries(row["tests"], form, "SECRET")),
            )
            assert len(made) == len(re.findall(form.line, row["tests"])), (path.name, row["name"])
            assert whole not in made
            assert all("SECRET" in text for text in made)


@given(st.lists(st.integers(-99, 10**9).map(str) | st.booleans().map(str) | st.text("abc").map(repr), min_size=1))
def test_a_changed_value_is_unequal(values: list[str]) -> None:
    for value in values:
        other = make_unequal_value(value, values)
        assert other is None or _normal(other) != _normal(value)


@pytest.mark.parametrize("value", ["true", "False", "#t", "TRUE", "3", "-1", "2.5", "(long)7L", "vec![1, 2]", "'ab'"])
def test_a_value_that_all_tests_share_is_changed(value: str) -> None:
    other = make_unequal_value(value, [value, value])
    assert other not in (None, value)


@pytest.mark.parametrize("value", ["", "nil", "[]", "None"])
def test_a_value_that_cannot_be_changed(value: str) -> None:
    assert make_unequal_value(value, [value, value]) is None
    assert make_unequal_value(value, [value, "7"]) == "7"
