"""What a request asks of an engine, and what the engine reports while it generates."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evalharness.diffusion.serving.decoder import Frame
from evalharness.records import Prompt


@dataclass(frozen=True)
class Job:
    """One completion that an engine is to generate."""

    prompt: Prompt
    way: str
    """The way of decoding: the backend's name, `ar` or `diffusion`."""
    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    """The seed of the row's random numbers."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of decoding that differ from the server's."""
    traced: bool = False
    """Whether the client wants frames or probabilities."""


@dataclass(frozen=True)
class Outcome:
    """How a completion ended. Times are in seconds since the request arrived."""

    text: str
    """The text before the first stop sequence."""
    prompt_tokens: int
    output_tokens: int
    finish_reason: str
    total_s: float
    queued_s: float = 0.0
    """Until the row joined the batch."""
    prefill_s: float | None = None
    """Until the prompt was computed."""
    first_s: float | None = None
    """Until the first output token."""
    forward_passes: int | None = None
    accepted_drafts: int | None = None
    rejected_drafts: int | None = None


@dataclass(frozen=True)
class Update:
    """What one pass changed in a completion."""

    tokens: tuple[int, ...] = ()
    """New final output tokens."""
    confidences: tuple[float, ...] = ()
    """Their probabilities."""
    frames: tuple[Frame, ...] = ()
    pass_s: float = 0.0
    """Seconds since the request arrived."""
    outcome: Outcome | None = None
    """Set in the last update."""
    error: str = ""
    """Set in the last update of a completion that failed."""
