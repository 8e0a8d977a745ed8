"""Divides a run's problems into shards for machines that run the same command; `evalharness merge` joins the runs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from evalharness.errors import UserError
from evalharness.records import Request


@dataclass(frozen=True)
class Shard:
    """Part `number` (from 1) of a run split into `count` shards: every `count`-th problem, with all its samples."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def select_requests(self, requests: Sequence[Request]) -> list[Request]:
        """Returns the requests of a run that belong to this shard. Raises UserError for more shards than problems."""
        positions = {
            task_id: position for position, task_id in enumerate(dict.fromkeys(request.key[0] for request in requests))
        }
        if self.count > len(positions):
            count = len(positions)
            raise UserError(
                f"--shard {self}: {count} problems can be divided into at most {count} shards; use a smaller N in I/N"
            )
        return [request for request in requests if positions[request.key[0]] % self.count == self.number - 1]


def parse_shard(text: str) -> Shard:
    """Returns the shard that a text I/N names, such as "1/7". Raises UserError unless I is from 1 to N."""
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UserError(
            f"--shard {text} is not I/N with I from 1 to N; write 1/7, for example, for the first of seven shards"
        )
    return Shard(int(match[1]), int(match[2]))
