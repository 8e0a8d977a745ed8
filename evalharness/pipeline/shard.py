"""Divides a run's problems into shards for machines that run the same command; `evalharness merge` joins the runs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from evalharness.errors import UserError
from evalharness.records import Request


@dataclass(frozen=True)
class Shard:
    """Shard `number` of `of`, counted from 1: a part of a run. Problems are assigned round robin, with all samples."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def select_requests(self, requests: Sequence[Request]) -> list[Request]:
        """Returns this shard's part of a run's requests, in order. Raises UserError for more shards than problems."""
        positions = {
            task_id: position for position, task_id in enumerate(dict.fromkeys(request.key[0] for request in requests))
        }
        if self.of > len(positions):
            count = len(positions)
            raise UserError(
                f"--shard {self}: {count} problems can be divided into at most {count} shards; use a smaller N in I/N"
            )
        return [request for request in requests if positions[request.key[0]] % self.of == self.number - 1]


def parse_shard(text: str) -> Shard:
    """Returns the shard that a text such as `1/7` names. Raises UserError for anything but 1/n to n/n."""
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UserError(f"--shard {text} is not i/n with i from 1 to n, such as 1/7 for the first of seven")
    return Shard(int(match[1]), int(match[2]))
