"""Reads a run's settings, which distinguish it from other runs of its model, and its model family (AR, diffusion)."""

from collections.abc import Mapping
from typing import Any, Literal

from evalharness.data.runs import Run

Family = Literal["ar", "diffusion", "other"]
"""The family of a model, by how it generates: autoregressive, diffusion, or unknown ("other")."""
FAMILIES: tuple[Family, ...] = ("diffusion", "ar", "other")
DIFFUSION_TOKENS_PER_PASS = 1.5
"""A model that generates more tokens per forward pass than this is considered a diffusion model. An AR model has hardly
more than 1.
"""


def flatten_run_settings(run: Run) -> dict[str, Any]:
    """Returns the run's settings by their path in the manifest, such as `sampling.temperature`."""
    config = run.config
    settings = {
        "problems": describe_problem_selection(run),
        "backend": config.get("backend", {}),
        "recipe": run.summary.get("recipe"),
        "sampling": config.get("sampling", {}),
    }
    return dict(_flatten_settings(settings))


def describe_problem_selection(run: Run) -> str:
    """Returns a text about the problems of its task that a run covers: "first 20", "shard 1/2" or "all".

    The result is never a number, because runs that differ only in a number form one curve of the frontier plot; runs on
    different problems must not form a curve.
    """
    selection = run.config.get("samples", {})
    limit, shard, only = selection.get("limit"), selection.get("shard"), selection.get("only")
    total = run.summary.get("problems_of_task", run.summary.get("problems", 0))
    parts = [f"first {limit}"] if limit is not None and limit <= total else []
    parts += [" ".join(only)] if only else []
    parts += [f"shard {shard}"] if shard else []
    return ", ".join(parts) or "all"


def model_family_of(run: Run) -> Family:
    """Returns the family of a run's model (ar, diffusion, other), which the backend states.

    If the backend does not state it, a model with more than 1.5 tokens per forward pass is "diffusion", others "other".
    """
    stated = run.config.get("backend", {}).get("family")
    for family in FAMILIES:
        if stated == family:
            return family
    backend = str(run.summary.get("backend"))
    if backend in ("ar", "transformers"):
        return "ar"
    many = run.speed.get("tokens_per_forward", 1.0) > DIFFUSION_TOKENS_PER_PASS
    return "diffusion" if many or "diffusion" in backend else "other"


def _flatten_settings(settings: Mapping[str, Any], key_prefix: str = "") -> list[tuple[str, Any]]:
    items = []
    for key, value in settings.items():
        items += (
            _flatten_settings(value, f"{key_prefix}{key}.")
            if isinstance(value, Mapping)
            else [(f"{key_prefix}{key}", value)]
        )
    return items
