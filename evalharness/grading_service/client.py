"""A client of the grading service for training loops; it retries while the service is full or unreachable."""

import logging
import random
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, cast

import httpx

from evalharness.errors import InfrastructureError, UserError
from evalharness.grading_service.messages import VerdictRow

RETRIED_STATUSES = (429,)
"""Client errors (4xx) that are retried; all server errors (5xx) are, too."""
SAMPLES_PER_REQUEST = 100
_log = logging.getLogger(__name__)


class SandboxClient:
    """A client of a grading service (`evalharness serve-sandbox`). Safe to use from several threads.

    While the service is full, restarting or unreachable, the client sends a submission again, for at most `retry_s`
    seconds; it logs the first failure to connect as a warning. `response_s` is the timeout of one response in seconds.
    """

    def __init__(self, url: str, token: str = "", retry_s: float = 600.0, response_s: float = 3600.0):
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self.retry_s = retry_s
        self._http = httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(response_s, connect=10.0))

    def judge(
        self, task: str, samples: Sequence[Mapping[str, Any]], options: Mapping[str, str] | None = None
    ) -> list[VerdictRow]:
        """Sends samples of a task to the service, which grades them; returns one verdict per sample, in their order.

        A sample has the fields of a line in a samples file: `task_id`, optional `sample_id`, and `solution` or
        `completion`. Raises UserError if the service refuses the samples, and InfrastructureError if it does not
        grade them within `retry_s`.
        """
        verdicts: list[VerdictRow] = []
        for first in range(0, len(samples), SAMPLES_PER_REQUEST):
            part = [dict(sample) for sample in samples[first : first + SAMPLES_PER_REQUEST]]
            verdicts += self._post_submission({"task": task, "options": dict(options or {}), "samples": part})
        return verdicts

    def _post_submission(self, submission: Mapping[str, Any]) -> list[VerdictRow]:
        """Sends a submission, retries for at most `retry_s` seconds if that fails, and returns the verdicts."""
        deadline, warned = time.monotonic() + self.retry_s, False
        while True:
            pause_s = 1.0
            try:
                response = self._http.post("/v1/verdicts", json=submission)
            except httpx.TransportError as error:
                reason = f"cannot reach {self._http.base_url} ({error or type(error).__name__})"
                if not warned:
                    _log.warning("%s; retrying for %g s", reason, self.retry_s)
                    warned = True
            else:
                if response.status_code == 200:
                    return cast(list[VerdictRow], response.json()["verdicts"])
                reason = _refusal_reason(response)
                if response.status_code < 500 and response.status_code not in RETRIED_STATUSES:
                    raise UserError(f"the grading service at {self._http.base_url} refuses the samples: {reason}")
                pause_s = float(response.headers.get("retry-after", 1))
            pause_s *= random.uniform(0.5, 1.5)  # so that many clients do not retry at the same moment
            if time.monotonic() + pause_s > deadline:
                raise InfrastructureError(
                    f"the grading service at {self._http.base_url} did not grade the samples within "
                    f"{self.retry_s:g} s: {reason}; start the service, or pass a larger retry_s to the client"
                )
            time.sleep(pause_s)

    def health(self) -> dict[str, Any]:
        """Returns the response to GET /health: status, version and number of pending samples.

        Raises InfrastructureError if the service does not answer.
        """
        try:
            return cast(dict[str, Any], self._http.get("/health").raise_for_status().json())
        except httpx.HTTPError as error:
            raise InfrastructureError(
                f"cannot reach the grading service at {self._http.base_url} ({error}); start it with "
                "`evalharness serve-sandbox`, or correct the address"
            ) from None

    def close(self) -> None:
        """Closes the connections to the service. Safe to call twice."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _refusal_reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {response.status_code}: {response.text[:200]}"
