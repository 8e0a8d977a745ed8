"""Resolves the address, API key and secrets of an OpenAI-compatible endpoint from options and environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from evalharness.backends.openai.options import DEFAULT_KEY_NAME, OpenAIOptions
from evalharness.errors import UserError

DEFAULT_URL = "https://api.openai.com/v1"
_SHORTEST_SECRET = 6


@dataclass(frozen=True)
class Secrets:
    """Secret texts of an endpoint, such as the API key, which must not appear in messages or files."""

    texts: tuple[str, ...] = field(default=(), repr=False)

    def mask_text(self, text: str) -> str:
        """Returns the text with each secret replaced by "***".

        Secrets with fewer than 6 characters are not masked: they are placeholders for local servers, such as "none".
        """
        for secret in sorted(self.texts, key=len, reverse=True):
            text = text.replace(secret, "***") if len(secret) >= _SHORTEST_SECRET else text
        return text

    def mask_json(self, json_value: Any) -> Any:
        """Returns a copy of a JSON value (text, number, list, object) with the secrets masked in all texts."""
        if isinstance(json_value, Mapping):
            return {self.mask_json(key): self.mask_json(item) for key, item in json_value.items()}
        if isinstance(json_value, list):
            return [self.mask_json(item) for item in json_value]
        return self.mask_text(json_value) if isinstance(json_value, str) else json_value


@dataclass(frozen=True)
class Address:
    """The address of an OpenAI-compatible endpoint and the credentials for it."""

    url: httpx.URL = field(repr=False)
    """The base URL without user and password."""
    display_url: str
    """The base URL without user, password and query, for messages and manifests."""
    key_name: str
    """Name of the environment variable that contains the key."""
    key: str = field(repr=False)
    """The API key; empty if there is none."""
    login: tuple[str, str] | None = field(repr=False)
    """User and password from the URL, if it contains them."""
    secrets: Secrets

    def route_url(self, path: str) -> httpx.URL:
        """Returns the URL of an API route such as `/chat/completions`, with the base URL's query parameters."""
        return self.url.copy_with(path=self.url.path.rstrip("/") + path)

    def headers(self) -> dict[str, str]:
        """Returns the HTTP headers of every request. They disable compression, which could delay streamed chunks."""
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        return {**headers, "authorization": f"Bearer {self.key}"} if self.key else headers


def resolve_address(options: OpenAIOptions) -> Address:
    """Returns the endpoint's address and credentials, read from the options and the environment variables.

    Raises UserError if the address or the API key is invalid; the message contains no secret.
    """
    url = _read_base_url(options.base_url)
    key = _read_api_key(options.api_key_env)
    login = (url.username, url.password) if url.userinfo else None
    secrets = Secrets((key, url.password, *url.params.values()))
    return Address(
        url=url.copy_with(userinfo=b""),
        display_url=secrets.mask_text(str(url.copy_with(userinfo=b"", query=None, fragment=None))),
        key_name=options.api_key_env,
        key=key,
        login=login,
        secrets=secrets,
    )


def _read_base_url(base_url_option: str | None) -> httpx.URL:
    try:
        url = httpx.URL((base_url_option or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL).strip())
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise UserError(
            "the base URL of backend openai is not an http(s) address; set --option base_url (or OPENAI_BASE_URL) to "
            "an address such as http://localhost:8000/v1"
        )
    return url


def _read_api_key(variable_name: str) -> str:
    """Returns the API key from environment variable `variable_name`; "" if it is the default variable and not set.

    Raises UserError for another variable that is not set. The message does not contain `variable_name`, because a user
    may have given the key itself by mistake.
    """
    key = os.environ.get(variable_name, "").strip()
    if not key and variable_name != DEFAULT_KEY_NAME:
        raise UserError(
            "--option api_key_env must be the name of an environment variable that contains the API key (not the key "
            "itself), but no such variable is set; export it"
        )
    if not key.isascii() or not key.isprintable():
        raise UserError(
            f"the API key in ${variable_name} contains characters that are not printable ASCII; set ${variable_name} "
            "to a valid key"
        )
    return key
