"""Divides a run's samples into shares for machines that run the same command side by side; `merge` joins the runs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from evalharness.errors import UserError
from evalharness.records import Request


@dataclass(frozen=True)
class Shard:
    """Share `number` of `of`, counted from 1. Problems are assigned round robin, each with all of its samples."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def choose(self, requests: Sequence[Request]) -> list[Request]:
        """Returns the requests of this share, in order. Raises UserError if there are more shares than problems."""
        positions = {
            task_id: position for position, task_id in enumerate(dict.fromkeys(request.key[0] for request in requests))
        }
        if self.of > len(positions):
            count = len(positions)
            raise UserError(f"--shard {self}: there are {count} problems, so at most {count} shards")
        return [request for request in requests if positions[request.key[0]] % self.of == self.number - 1]


def parse_shard(text: str) -> Shard:
    """Returns the share that `i/n` names. Raises UserError for anything but 1/n to n/n."""
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UserError(f"--shard {text} is not i/n with i from 1 to n, such as 1/7 for the first of seven")
    return Shard(int(match[1]), int(match[2]))
