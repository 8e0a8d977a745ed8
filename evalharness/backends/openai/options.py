"""Options of the backend `openai`."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, Json

from evalharness.backends.options import BackendOptions
from evalharness.errors import UserError
from evalharness.generation.infilling_formats import FORMAT_NAMES

DEFAULT_KEY_NAME = "OPENAI_API_KEY"
_OPTIONS_THAT_SET_FIELDS = {
    **dict.fromkeys(("model",), "--model"),
    **dict.fromkeys(("messages", "prompt"), "--task and --option recipe"),
    "n": "--n",
    **dict.fromkeys(("max_tokens", "max_completion_tokens"), "--max-new-tokens"),
    "suffix": "--option fim",
    "stream": "--option stream",
    "stop": "--option max_stops",
}
"""Request fields that option `extra` cannot set, with the option that sets them."""
_OPTIONS_THAT_SET_SAMPLING = {"temperature": "--temperature", "top_p": "--top-p", "seed": "--seed"}
"""Request fields that option `extra` can only remove, with the option that sets them."""


class OpenAIOptions(BackendOptions):
    """The `--option key=value` settings of the backend `openai`, which sends requests to an endpoint."""

    base_url: str | None = Field(
        None, repr=False, description="Address of the API; by default $OPENAI_BASE_URL, else https://api.openai.com/v1"
    )
    api: Literal["auto", "chat", "completions"] = Field(
        "auto",
        description="auto: chat for chat messages, else completions; chat: text is sent as one user message",
    )
    fim: Literal["suffix", *FORMAT_NAMES] = Field(  # type: ignore[valid-type]
        "suffix",
        description="How infilling is requested: by the request's field suffix, or by a prompt with the sentinel "
        "tokens of this FIM format",
    )
    concurrency: int = Field(8, ge=1, description="Maximum number of requests in flight")
    timeout_s: float = Field(
        600.0,
        gt=0,
        allow_inf_nan=False,
        description="Time limit of one attempt, in seconds; the only limit until the first bytes of the answer arrive",
    )
    idle_timeout_s: float = Field(
        60.0, gt=0, allow_inf_nan=False, description="Maximum number of seconds between two chunks of a streamed answer"
    )
    max_retries: int = Field(6, ge=0, description="Maximum number of attempts after the first one")
    retry_base_s: float = Field(
        0.5,
        ge=0,
        allow_inf_nan=False,
        description="The pause before retry n (counted from 0) is random between 0 and this number of seconds times "
        "2^n, at most a minute, plus any Retry-After",
    )
    api_key_env: str = Field(
        DEFAULT_KEY_NAME, description="Name of the environment variable that contains the API key; never the key itself"
    )
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="The request's field for the maximum number of new tokens"
    )
    max_stops: int = Field(
        4,
        ge=0,
        description="Maximum number of stop sequences to send; the answer is always cut at the first of all of them",
    )
    stream: bool = Field(
        True, description="Stream the answer; without streaming the time to first token is not measured"
    )
    include_usage: bool = Field(True, description="Ask a streaming endpoint for its token counts")
    prefill: bool = Field(
        False,
        description="Send the recipe's prefill as the beginning of the answer; some endpoints need further fields for "
        "that, given by extra",
    )
    extra: Json[dict[str, Any]] = Field(
        default_factory=dict,
        repr=False,
        description="A JSON object merged into the request; null removes a field, such as a seed that the endpoint "
        "refuses",
    )
    tokenizer: str | None = Field(
        None,
        description="A transformers tokenizer (folder or hub id) that counts the output if the endpoint does not",
    )
    family: Literal["ar", "diffusion"] | None = Field(
        None, description="How the model generates, for figures and tables; no endpoint reports it"
    )
    hardware: str | None = Field(None, description="The hardware of the endpoint, for figures and tables")


def check_extra_fields(extra_fields: Mapping[str, Any]) -> None:
    """Raises UserError if `extra_fields`, the value of option `extra`, sets a request field that has its own option."""
    for name, value in extra_fields.items():
        if name in _OPTIONS_THAT_SET_FIELDS:
            raise UserError(f"--option extra cannot set the request field {name}; use {_OPTIONS_THAT_SET_FIELDS[name]}")
        if name in _OPTIONS_THAT_SET_SAMPLING and value is not None:
            raise UserError(
                f"--option extra can only remove the request field {name} (with the value null); to set the field, use "
                f"{_OPTIONS_THAT_SET_SAMPLING[name]}"
            )
