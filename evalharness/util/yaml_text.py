"""Parses YAML with libyaml where PyYAML was built with it: task cards are read at each start."""

from typing import Any

import yaml

LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


def parse_yaml(text: str) -> Any:
    """Returns the value of a YAML document. Raises yaml.YAMLError, or RecursionError if it is nested too deeply."""
    return yaml.load(text, Loader=LOADER)
