"""The options of the `openai` backend, and what follows from them and the environment: where and as whom to ask."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, Json

from evalharness.errors import UserError
from evalharness.generation.infilling import NAMES

DEFAULT_URL = "https://api.openai.com/v1"
DEFAULT_KEY_NAME = "OPENAI_API_KEY"
_SHORTEST_SECRET = 6

_OWN = {
    **dict.fromkeys(("model",), "--model"),
    **dict.fromkeys(("messages", "prompt", "n"), "the run's own flags"),
    **dict.fromkeys(("max_tokens", "max_completion_tokens"), "--max-new-tokens"),
    "suffix": "--option fim",
    "stream": "--option stream",
    "stop": "--option max_stops",
}
_SAMPLING = {"temperature": "--temperature", "top_p": "the run's own flags", "seed": "--seed"}


class OpenAIOptions(BaseModel):
    """The `--option`s of the backend. Times are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str | None = Field(None, repr=False)
    """By default $OPENAI_BASE_URL, else OpenAI's own."""
    api: Literal["auto", "chat", "completions"] = "auto"
    """auto: chat for a prompt of messages, else completions. chat sends a text as one user message."""
    fim: Literal["suffix", *NAMES] = "suffix"  # type: ignore[valid-type]
    """How to ask for what is in a gap: by the field `suffix`, or by a family's sentinel tokens in the prompt's text."""
    concurrency: int = Field(8, ge=1)
    """Requests at once."""
    timeout_s: float = Field(600.0, gt=0, allow_inf_nan=False)
    """For one attempt as a whole; the only limit until the first bytes of the answer."""
    idle_timeout_s: float = Field(60.0, gt=0, allow_inf_nan=False)
    """Between two pieces of a streamed answer."""
    max_retries: int = Field(6, ge=0)
    retry_base_s: float = Field(0.5, ge=0, allow_inf_nan=False)
    """The pause before retry n (from 0) is drawn from 0 to this x 2^n, at most a minute, on top of any Retry-After."""
    api_key_env: str = DEFAULT_KEY_NAME
    """The name of the environment variable that holds the key, never the key."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    max_stops: int = Field(4, ge=0)
    """How many stop sequences to send; the text is cut at all of them in any case."""
    stream: bool = True
    include_usage: bool = True
    """Ask a streaming endpoint for its token counts."""
    prefill: bool = False
    """Send the prompt's prefill as the beginning of the answer; some endpoints need flags in `extra` for it."""
    extra: Json[dict[str, Any]] = Field(default_factory=dict, repr=False)
    """A JSON object merged into the request; null leaves a field out, such as a seed that is refused."""
    tokenizer: str | None = None
    """A `transformers` tokenizer (path or hub id) to count the output where the endpoint's count is of no use."""
    family: Literal["ar", "diffusion"] | None = None
    """How the model generates, which no endpoint tells; for plots and tables."""
    hardware: str | None = None
    """What the endpoint runs on, as its owner says; for plots and tables."""


@dataclass(frozen=True)
class Secrets:
    """Words that must not appear in anything that is shown or stored."""

    words: tuple[str, ...] = field(default=(), repr=False)

    def scrub(self, text: str) -> str:
        """The text without the secrets. Shorter words are placeholders, such as local servers take."""
        for word in sorted(self.words, key=len, reverse=True):
            text = text.replace(word, "***") if len(word) >= _SHORTEST_SECRET else text
        return text

    def clean(self, value: Any) -> Any:
        """A JSON-like value with every string in it scrubbed."""
        if isinstance(value, Mapping):
            return {self.clean(key): self.clean(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.clean(item) for item in value]
        return self.scrub(value) if isinstance(value, str) else value


@dataclass(frozen=True)
class Address:
    """Where and as whom to ask."""

    url: httpx.URL = field(repr=False)
    """Without userinfo."""
    shown: str
    """The URL without userinfo and query, for messages and manifests."""
    key_name: str
    """The environment variable of the key."""
    key: str = field(repr=False)
    """Empty for none."""
    login: tuple[str, str] | None = field(repr=False)
    """User and password, where the URL had them."""
    secrets: Secrets

    def route(self, path: str) -> httpx.URL:
        """The URL of an API route, with the query that the base URL has."""
        return self.url.copy_with(path=self.url.path.rstrip("/") + path)

    def headers(self) -> dict[str, str]:
        """What every request carries. A compressed stream could hold pieces back, so none is asked for."""
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        return {**headers, "authorization": f"Bearer {self.key}"} if self.key else headers


def find_address(options: OpenAIOptions) -> Address:
    """The address from the options and the environment. Raises UserError, which quotes no secret."""
    url = _base_url(options.base_url)
    key = _key(options.api_key_env)
    login = (url.username, url.password) if url.userinfo else None
    secrets = Secrets((key, url.password, *url.params.values()))
    return Address(
        url=url.copy_with(userinfo=b""),
        shown=secrets.scrub(str(url.copy_with(userinfo=b"", query=None, fragment=None))),
        key_name=options.api_key_env,
        key=key,
        login=login,
        secrets=secrets,
    )


def check_extra(extra: Mapping[str, Any]) -> None:
    """Raises UserError for fields of the request that have an option of their own, which the manifest records."""
    for name, value in extra.items():
        if name in _OWN:
            raise UserError(f"--option extra cannot set {name}; use {_OWN[name]}")
        if name in _SAMPLING and value is not None:
            raise UserError(f"--option extra can only leave {name} out (null); to set it, use {_SAMPLING[name]}")


def _base_url(given: str | None) -> httpx.URL:
    try:
        url = httpx.URL((given or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL).strip())
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise UserError(
            "the base URL of backend openai is not an http(s) address; "
            "give --option base_url (or OPENAI_BASE_URL) one like http://localhost:8000/v1"
        )
    return url


def _key(name: str) -> str:
    """The key, or nothing where the default variable is unset. A name that is not set may be a key by mistake."""
    key = os.environ.get(name, "").strip()
    if not key and name != DEFAULT_KEY_NAME:
        raise UserError(
            "--option api_key_env names no environment variable that is set; export it (the option takes no key)"
        )
    if not key.isascii() or not key.isprintable():
        raise UserError(f"the key in {name} holds characters that no key has; set {name} anew")
    return key
