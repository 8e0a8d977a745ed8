"""Detects library functions and assertions that a sample has replaced permanently.

A sample that replaces `os.path.exists` or `numpy.allclose` makes tests pass without solving the problem.
"""

import sys
from typing import Any

CHECKED_OWNERS = (
    *("builtins", "os", "posixpath", "genericpath", "math", "re", "json", "glob", "shutil", "csv", "operator", "copy"),
    *("unittest.case", "unittest.TestCase", "unittest.TestResult", "unittest.TestSuite", "unittest.TestLoader"),
    *("unittest.mock", "unittest.mock.NonCallableMock", "unittest.mock.CallableMixin", "collections.Counter"),
    *("pathlib.Path", "numpy", "numpy.testing", "numpy.core.numeric", "numpy.testing._private.utils"),
    *("pandas", "pandas.testing", "pandas._testing", "pandas._testing.asserters", "pandas.DataFrame", "pandas.Series"),
    *("pandas.Index", "pandas.core.generic.NDFrame", "matplotlib.axes.Axes", "sklearn.metrics"),
)
"""Modules and classes that are checked if they have been imported."""

AttributesByOwner = dict[str, dict[str, Any]]


def record_callable_attributes() -> AttributesByOwner:
    """Returns the callable attributes of the modules and classes in `CHECKED_OWNERS`, to find later replacements."""
    by_owner = {}
    for name in CHECKED_OWNERS:
        owner = _find_by_dotted_name(name)
        if owner is not None:
            by_owner[name] = {key: value for key, value in vars(owner).items() if callable(value)}
    return by_owner


def names_of_replaced_attributes(recorded: AttributesByOwner) -> list[str]:
    """Returns the dotted names of the attributes in `recorded` that no longer exist or have another value.

    `recorded` is what `record_callable_attributes` returned before.
    """
    missing = object()
    return [
        f"{name}.{key}"
        for name, values in recorded.items()
        for key, value in values.items()
        if vars(_find_by_dotted_name(name)).get(key, missing) is not value
    ]


def _find_by_dotted_name(dotted_name: str) -> Any:
    """Returns the imported module, or its class or function, with this dotted name; None if it does not exist."""
    if dotted_name in sys.modules:
        return sys.modules[dotted_name]
    module, _, attribute = dotted_name.rpartition(".")
    return getattr(sys.modules.get(module), attribute, None)
