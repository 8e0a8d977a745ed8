"""The job that a request gives to an engine, and the updates that the engine reports while it generates."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evalharness.diffusion.serving.decoder import DecodingFrame
from evalharness.records import Prompt


@dataclass(frozen=True)
class GenerationJob:
    """One completion to generate: prompt, sampling parameters and decoding options."""

    prompt: Prompt
    decoding_method: str
    """`ar` or `diffusion`, like the backends."""
    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    """The seed of this completion's random numbers."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Decoding options of the request, which override the server's."""
    traced: bool = False
    """Whether the client wants denoising frames (what each forward pass changed) or logprobs."""
    streamed: bool = True
    """Whether the client reads the text while it is generated; if not, the engine reports only the end."""


@dataclass(frozen=True)
class JobOutcome:
    """A finished completion with token counts and timings, in seconds since the request arrived."""

    text: str
    """The text before the first stop sequence."""
    prompt_tokens: int
    output_tokens: int
    finish_reason: str
    total_s: float
    queued_s: float = 0.0
    """Time until the completion joined the engine's batch."""
    prefill_s: float | None = None
    """Time until the end of prefill."""
    first_s: float | None = None
    """Time until the first output token."""
    forward_passes: int | None = None
    accepted_drafts: int | None = None
    rejected_drafts: int | None = None


@dataclass(frozen=True)
class JobUpdate:
    """What changed in a completion since the previous update, in one or several forward passes."""

    tokens: tuple[int, ...] = ()
    """New final output tokens."""
    confidences: tuple[float, ...] = ()
    """The network's probability of each of `tokens`."""
    frames: tuple[DecodingFrame, ...] = ()
    pass_s: float = 0.0
    """When the forward pass ended, in seconds since the request arrived."""
    outcome: JobOutcome | None = None
    """The finished completion, in its last update; None in all others."""
    error: str = ""
    """The reason why the completion failed, in its last update; "" in all others."""
