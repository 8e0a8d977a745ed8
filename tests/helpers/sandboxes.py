"""The types of the fixtures that make sandboxes."""

from collections.abc import Callable

from evalharness.records import Execution, Program
from evalharness.sandbox.pool import ContainerPool

MakeSandbox = Callable[[], ContainerPool]
RunWithin = Callable[[Program, float], Execution]
