"""The requests and responses of the grading service's HTTP API, shared by server and client."""

from typing import Any, NotRequired, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from evalharness.records import Status, Verdict


class Submission(BaseModel):
    """The body of the request POST /v1/verdicts: samples of one task to grade."""

    model_config = ConfigDict(extra="forbid")
    task: str
    options: dict[str, str] = Field(default_factory=dict)
    """Task options, such as `version`; the same as `--option` of `grade`."""
    samples: list[dict[str, Any]] = Field(min_length=1)
    """Each sample has the fields of a line in a samples file; `backends.samples_file` checks them."""


class VerdictsResponse(BaseModel):
    """The response to POST /v1/verdicts: one verdict per sample, in the order of the samples."""

    verdicts: list[Verdict]


class VerdictRow(TypedDict):
    """A verdict as a JSON object, with the fields of a line of `verdicts.jsonl`."""

    task_id: str
    sample_id: int
    passed: bool
    status: Status
    cpu_s: float
    wall_s: float
    peak_mb: float
    detail: str
    borderline: NotRequired[str]
    extraction: NotRequired[str]
    base_passed: NotRequired[bool]


class HealthResponse(BaseModel):
    """The response to GET /health: status, version and number of pending samples."""

    status: str
    version: str
    held: int
    """Samples that are waiting or running."""
    most: int
    """Limit of `held`."""
