"""A client for training loops: samples in, verdicts out; waits and tries again while the service is full."""

import logging
import random
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from evalharness.errors import InfrastructureError, UserError

TRY_AGAIN = (429, 503)
AT_ONCE = 100
"""Samples in one submission."""
_log = logging.getLogger(__name__)


class SandboxClient:
    """Talks to one service. May be used from several threads.

    `patience_s` is how long a submission is tried again while the service is full, restarting or out of reach. The
    first failure to reach it is logged as a warning.
    """

    def __init__(self, url: str, token: str = "", patience_s: float = 600.0, answer_s: float = 3600.0):
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self.patience_s = patience_s
        self._http = httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(answer_s, connect=10.0))

    def judge(
        self, task: str, samples: Sequence[Mapping[str, Any]], options: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """One verdict row per sample, in their order; samples are as lines of a samples file.

        Raises UserError for what the service refuses for good, InfrastructureError where it cannot be had in time.
        """
        found: list[dict[str, Any]] = []
        for first in range(0, len(samples), AT_ONCE):
            part = [dict(sample) for sample in samples[first : first + AT_ONCE]]
            found += self._post({"task": task, "options": dict(options or {}), "samples": part})
        return found

    def _post(self, submission: Mapping[str, Any]) -> list[dict[str, Any]]:
        end, warned = time.monotonic() + self.patience_s, False
        while True:
            pause_s = 1.0
            try:
                answer = self._http.post("/v1/verdicts", json=submission)
            except httpx.TransportError as error:
                why = f"{self._http.base_url} cannot be reached ({error or type(error).__name__})"
                if not warned:
                    _log.warning("%s; trying for %g s", why, self.patience_s)
                    warned = True
            else:
                if answer.status_code == 200:
                    rows: list[dict[str, Any]] = answer.json()["verdicts"]
                    return rows
                why = _reason(answer)
                if answer.status_code < 500 and answer.status_code not in TRY_AGAIN:
                    raise UserError(f"{self._http.base_url} refuses: {why}")
                pause_s = float(answer.headers.get("retry-after", 1))
            pause_s *= random.uniform(0.5, 1.5)
            if time.monotonic() + pause_s > end:
                raise InfrastructureError(why)
            time.sleep(pause_s)

    def health(self) -> dict[str, Any]:
        """What the service says of itself. Raises InfrastructureError where it is not there."""
        try:
            found: dict[str, Any] = self._http.get("/health").raise_for_status().json()
        except httpx.HTTPError as error:
            raise InfrastructureError(f"{self._http.base_url} is not there: {error}") from None
        return found

    def close(self) -> None:
        """Frees the connections. Safe to call twice."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}: {answer.text[:200]}"
