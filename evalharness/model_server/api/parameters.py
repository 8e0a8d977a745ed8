"""Request parameters that all endpoints share; parameters that the server cannot honour are rejected."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from evalharness.util.http.refusals import RequestRefused
from evalharness.util.suggest import unknown_name_message

Body = TypeVar("Body", bound="RequestParameters")

AR_OPTIONS = ("draft",)
DIFFUSION_OPTIONS = ("rule", "threshold", "block", "steps", "bound", "edit", "hold_end", "lookup")
"""Backend options that a request can change, with block diffusion; `AR_OPTIONS` with autoregressive decoding."""

NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,), "presence_penalty": (0,), "repetition_penalty": (1,), "logit_bias": ({},),
    "top_k": (-1, 0), "min_p": (0,), "best_of": (1,), "echo": (False,), "top_logprobs": (0,),
    "tools": ([],), "tool_choice": ("none", "auto"), "functions": ([],), "function_call": ("none", "auto"),
    "parallel_tool_calls": (True, False), "response_format": ({"type": "text"},), "modalities": (["text"],),
    "reasoning_effort": ("none", "minimal", "instant"), "realtime": (False,), "service_tier": ("auto", "default"),
    "store": (False,), "web_search_options": (), "audio": (), "prediction": (),
}  # fmt: skip
"""Parameters of OpenAI's API that the server does not implement, with the accepted values, which change nothing."""
IGNORED_PARAMETERS = ("user", "metadata", "safety_identifier", "prompt_cache_key")
"""Parameters that describe the client and cannot change an answer."""


class StreamOptions(BaseModel):
    """The request parameter `stream_options`: what a streamed answer contains besides the text."""

    model_config = ConfigDict(extra="forbid", strict=True)
    include_usage: bool = False
    continuous_usage_stats: Literal[False] = False
    include_obfuscation: Literal[False] = False


class RequestParameters(BaseModel):
    """The parameters that the bodies of all requests share. Types are strict: the string "1" is not a number."""

    model_config = ConfigDict(extra="forbid", strict=True)
    model: str | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = Field(None, ge=-(1 << 63), lt=1 << 63)
    stop: str | Annotated[list[str], Field(max_length=64)] = Field(default_factory=list)
    n: int = Field(1, ge=1, le=64)
    stream: bool = False
    stream_options: StreamOptions = Field(default_factory=StreamOptions)
    diffusing: bool = False
    """Whether each chunk of a stream has the whole text so far, masks included, as with Inception's servers."""
    denoising_frames: bool = False
    """Whether the stream also has a `denoising_frame` event for each forward pass."""
    draft: int | str | None = None
    rule: str | None = None
    threshold: float | None = None
    block: int | None = None
    steps: int | None = None
    bound: float | None = None
    edit: float | None = None
    hold_end: int | None = None
    lookup: StrictBool | None = None

    @property
    def stop_sequences(self) -> tuple[str, ...]:
        """The request's stop sequences."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def token_limit(self) -> int | None:
        """The maximum number of tokens to generate; None if the request sets no limit."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def wants_logprobs(self) -> bool:
        """Whether the request asks for the probability of each token."""
        return False

    def decoding_options(self) -> dict[str, str]:
        """Returns the decoding options that the request sets, by name; the values are text, as for `--option`."""
        values = {name: getattr(self, name) for name in (*AR_OPTIONS, *DIFFUSION_OPTIONS)}
        return {name: json.dumps(value).strip('"') for name, value in values.items() if value is not None}


def parse_request_body(body_class: type[Body], raw_body: bytes) -> Body:
    """Returns a request's JSON body as an object of `body_class`, with validated parameters.

    Raises RequestRefused for invalid JSON and for the first invalid parameter, which the message names.
    """
    try:
        values = json.loads(raw_body, parse_constant=_refuse_nan_or_infinity)
        json.dumps(values, ensure_ascii=False).encode()  # fails for half of a surrogate pair, which is no text
    except (ValueError, RecursionError) as error:
        raise RequestRefused(400, f"the request body is not valid JSON ({str(error)[:200]}); send valid JSON") from None
    if not isinstance(values, dict):
        raise RequestRefused(400, "the request body is not a JSON object; send an object with the parameters")
    # A parameter that is null counts as not given, as in OpenAI's API.
    values = {name: value for name, value in values.items() if value is not None and name not in IGNORED_PARAMETERS}
    for name in [name for name in values if name in NEUTRAL and name not in body_class.model_fields]:
        _refuse_unsupported_parameter(name, values.pop(name))
    try:
        return body_class.model_validate(values)
    except ValidationError as error:
        raise _make_validation_http_error(error, body_class) from None


def _refuse_unsupported_parameter(name: str, value: Any) -> None:
    """Raises RequestRefused for an unsupported parameter, unless its value has no effect (see `NEUTRAL`)."""
    # True equals 1 in Python, and an API distinguishes them.
    if not any(value == neutral and isinstance(value, bool) == isinstance(neutral, bool) for neutral in NEUTRAL[name]):
        raise RequestRefused(
            400, f"parameter {name} is not supported; leave it out", parameter=name, code="unsupported_parameter"
        )


def _make_validation_http_error(error: ValidationError, body_class: type[RequestParameters]) -> RequestRefused:
    """Returns the HTTP 400 error that names the first invalid parameter that pydantic found."""
    first = error.errors(include_url=False, include_context=False)[0]
    # Names of a union's members and positions in it are no part of the parameter's name.
    names = [str(part) for part in first["loc"] if not (isinstance(part, str) and "[" in part)]
    parameter = ".".join(name for name in names if name not in ("str", "int", "list", "literal")) or "body"
    if first["type"] == "extra_forbidden" and len(names) == 1:
        message = unknown_name_message("parameter", parameter, sorted(body_class.model_fields))
    elif first["type"] == "missing":
        message = f"parameter {parameter} is missing; send it"
    else:
        message = f"parameter {parameter}: {first['msg']}; correct it"
    return RequestRefused(400, " ".join(message.split()), parameter=parameter)


def _refuse_nan_or_infinity(constant: str) -> NoReturn:
    raise ValueError(f"the number {constant} does not exist in JSON")
