"""Whether what tests lean on is still what it was before the sample ran: functions of libraries, assertions.

A sample that replaces `os.path.exists` or `numpy.allclose` for good makes tests pass without solving the problem.
"""

import sys
from typing import Any

OWNERS = (
    *("builtins", "os", "posixpath", "genericpath", "math", "re", "json", "glob", "shutil", "csv", "operator", "copy"),
    *("unittest.case", "unittest.TestCase", "unittest.TestResult", "unittest.TestSuite", "unittest.TestLoader"),
    *("unittest.mock", "unittest.mock.NonCallableMock", "unittest.mock.CallableMixin", "collections.Counter"),
    *("pathlib.Path", "numpy", "numpy.testing", "numpy.core.numeric", "numpy.testing._private.utils"),
    *("pandas", "pandas.testing", "pandas._testing", "pandas._testing.asserters", "pandas.DataFrame", "pandas.Series"),
    *("pandas.Index", "pandas.core.generic.NDFrame", "matplotlib.axes.Axes", "sklearn.metrics"),
)
"""Modules and classes, as they are reached from modules that are loaded already."""

Attributes = dict[str, dict[str, Any]]


def attributes() -> Attributes:
    """The callable attributes of each owner that is there."""
    found = {}
    for name in OWNERS:
        owner = _reach(name)
        if owner is not None:
            found[name] = {key: value for key, value in vars(owner).items() if callable(value)}
    return found


def replaced(before: Attributes) -> list[str]:
    """Names of those that are gone or have become something else."""
    missing = object()
    return [
        f"{name}.{key}"
        for name, values in before.items()
        for key, value in values.items()
        if vars(_reach(name)).get(key, missing) is not value
    ]


def _reach(name: str) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    module, _, attribute = name.rpartition(".")
    return getattr(sys.modules.get(module), attribute, None)
