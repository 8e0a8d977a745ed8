"""The model of a run in Every Eval Ever records: its name, id, developer, and the folder of the records."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from evalharness.data.runs import Run
from evalharness.report.every_eval_ever.schema import ModelInfo
from evalharness.report.naming import RunName, model_or_samples_file_name
from evalharness.report.run_metrics import measurement_conditions_text
from evalharness.util.http.address import is_loopback
from evalharness.util.version import __version__

UNKNOWN: Final = "unknown"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_NOT_PORTABLE = re.compile(r'[<>:"\\|?*/\x00-\x1f]')
"""Characters that file names must not have on some operating system."""
LONGEST_NAME = 60
"""Characters of a folder's name; most file systems accept 255 bytes."""
OWN_BACKENDS = ("ar", "diffusion", "transformers")
"""Backends that run the model in this process, not on an endpoint."""

Deployment = Literal["self_deployed", "unknown"]
"""Who runs the model; of an endpoint on another machine, only its host name is known."""


@dataclass(frozen=True)
class ModelIdentity:
    """The developer and the name of a model, as in the Hugging Face hub's DEVELOPER/NAME."""

    developer: str
    """"unknown" where neither the model's name nor the user says it."""
    name: str

    @property
    def id(self) -> str:
        return f"{self.developer}/{self.name}"

    @property
    def records_folder(self) -> Path:
        """The folder DEVELOPER/NAME of the model's records, relative to the folder of the task."""
        return Path(make_portable_file_name(self.developer)) / make_portable_file_name(self.name)


def identify_model(run: Run, default_developer: str) -> ModelIdentity:
    """Returns developer and name of a run's model; `default_developer` is used if the model's name contains none.

    The name of a model that is a file or folder is the last part of its path.
    """
    name = str(model_or_samples_file_name(run) or run.summary.get("backend", UNKNOWN)).strip()
    if _HUB_ID.fullmatch(name) and not Path(name).exists():
        return ModelIdentity(*name.split("/"))
    return ModelIdentity(default_developer or UNKNOWN, name.rstrip("/").rpartition("/")[2] or UNKNOWN)


def make_portable_file_name(name: str) -> str:
    """Returns a name as a path component that every file system accepts and the Every Eval Ever schema allows.

    The name `data` is changed, because the schema reserves it.
    """
    name = _NOT_PORTABLE.sub("_", name.encode("utf-8", "replace").decode())[:LONGEST_NAME].rstrip(". ") or "_"
    return f"_{name}" if name == "data" else name


def make_model_info(run: Run, run_name: RunName, identity: ModelIdentity) -> ModelInfo:
    """Returns the description of a run's model, and of the software that ran the model, for Every Eval Ever records."""
    backend: dict[str, Any] = run.config.get("backend", {})
    details = {
        "deployment_type": _deployment_type(backend),
        "model_availability": UNKNOWN,
        "generation": run_name.family,
        "variant": run_name.distinguishing_settings,
        "measured_on": measurement_conditions_text(run),
    }
    info: ModelInfo = {
        "name": identity.name,
        "id": identity.id,
        "additional_details": {key: value for key, value in details.items() if value},
    }
    if identity.developer != UNKNOWN:
        info["developer"] = identity.developer
    if host := _endpoint_host(backend):
        info["inference_platform"] = host
    if backend.get("name") == "transformers":
        packages = run.manifest.get("environment", {}).get("packages", {})
        info["inference_engine"] = {"name": "transformers", "version": packages.get("transformers", UNKNOWN)}
    elif backend.get("name") in OWN_BACKENDS:
        version = run.config.get("evalharness", __version__)
        info["inference_engine"] = {"name": f"evalharness {backend['name']}", "version": version}
    return info


def _endpoint_host(backend_description: dict[str, Any]) -> str:
    """Returns the host name of a backend's endpoint on another machine; "" if it is local, or there is none."""
    host = urlsplit(str(backend_description.get("base_url", ""))).hostname or ""
    return "" if is_loopback(host) else host


def _deployment_type(backend_description: dict[str, Any]) -> Deployment:
    on_this_machine = "base_url" in backend_description and not _endpoint_host(backend_description)
    return "self_deployed" if on_this_machine or backend_description.get("name") in OWN_BACKENDS else UNKNOWN
