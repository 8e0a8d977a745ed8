"""The content of a run's manifest: the configuration that determines the results, and the environment."""

from dataclasses import asdict

from evalharness.adapters import TaskContext
from evalharness.data.run_types import Environment, ManifestConfiguration, SampleSelection
from evalharness.pipeline.executors import Sandboxes
from evalharness.pipeline.machine import describe_current_process
from evalharness.records import Backend, Sampling
from evalharness.util.version import __version__

VERDICT_NEUTRAL_KEYS = ("engine", "runtime", "allowed_to_lack", "cluster")
"""Keys of a sandbox's description that change no verdict; a run may resume with other values."""


def make_manifest_configuration(
    task_context: TaskContext,
    backend: Backend,
    model_name: str | None,
    sampling: Sampling,
    sandbox: Sandboxes,
    sample_selection: SampleSelection,
) -> ManifestConfiguration:
    """Returns the configuration that a run's manifest records: everything that can change a result.

    A run can only be resumed with an equal configuration.
    """
    sandbox_description = sandbox.describe()
    return {
        "task": task_context.describe(),
        "backend": {"name": backend.name, "model": model_name, **backend.describe()},
        "sampling": asdict(sampling),
        "samples": sample_selection,
        "sandbox": {key: value for key, value in sandbox_description.items() if key not in VERDICT_NEUTRAL_KEYS},
        "evalharness": __version__,
    }


def make_manifest_environment(workers: int, sandbox: Sandboxes, backend_copies: int = 1) -> Environment:
    """Returns the environment that a run's manifest records: machine and software.

    It may differ when the run is resumed. `workers` is the number of samples graded at the same time, `backend_copies`
    the number of copies of the backend.
    """
    sandbox_description = sandbox.describe()
    environment: Environment = {
        **describe_current_process(),
        "sandbox": {key: value for key, value in sandbox_description.items() if key in VERDICT_NEUTRAL_KEYS},
        "workers": workers,
    }
    if backend_copies > 1:
        environment["copies"] = backend_copies
    return environment
