"""Fills `{name}` in the templates of prompts and file names."""

import re
from collections.abc import Mapping

PLACEHOLDER = re.compile(r"\{(\w+)\}")


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """Returns a template with each `{NAME}` replaced by `values["NAME"]`; a `{NAME}` without a value is unchanged."""
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)
