"""Fills `{name}` in the templates of prompts and file names."""

import re
from collections.abc import Mapping

PLACEHOLDER = re.compile(r"\{(\w+)\}")


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """Returns the template with the value of each `{name}` in its place. Braces around unknown names stay."""
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)
