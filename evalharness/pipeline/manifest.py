"""The content of a run's manifest: the configuration that determines the results, and the environment."""

from dataclasses import asdict

from evalharness.adapters import TaskContext
from evalharness.data.run_types import Environment, RunConfiguration, SampleSelection
from evalharness.pipeline.executors import Sandboxes
from evalharness.pipeline.machine import process_environment
from evalharness.records import Backend, Sampling
from evalharness.util.version import __version__

VERDICT_NEUTRAL_KEYS = ("engine", "runtime", "allowed_to_lack", "cluster")
"""Keys of a sandbox's description that change no verdict; a run may resume with other values."""


def manifest_configuration(
    context: TaskContext,
    backend: Backend,
    model: str | None,
    sampling: Sampling,
    sandbox: Sandboxes,
    samples: SampleSelection,
) -> RunConfiguration:
    """Returns the configuration for the manifest: everything that can change a result.

    A run can only be resumed with an equal configuration.
    """
    sandbox_description = sandbox.describe()
    return {
        "task": context.describe(),
        "backend": {"name": backend.name, "model": model, **backend.describe()},
        "sampling": asdict(sampling),
        "samples": samples,
        "sandbox": {key: value for key, value in sandbox_description.items() if key not in VERDICT_NEUTRAL_KEYS},
        "evalharness": __version__,
    }


def manifest_environment(workers: int, sandbox: Sandboxes, copies: int = 1) -> Environment:
    """Returns the environment for the manifest: machine and software, which may differ when a run is resumed.

    `copies` is the number of copies of the backend.
    """
    sandbox_description = sandbox.describe()
    environment: Environment = {
        **process_environment(),
        "sandbox": {key: value for key, value in sandbox_description.items() if key in VERDICT_NEUTRAL_KEYS},
        "workers": workers,
    }
    if copies > 1:
        environment["copies"] = copies
    return environment
