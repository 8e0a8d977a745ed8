"""A share of a run's samples, for clusters that run the same command many times side by side; `merge` joins them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from evalharness.errors import UserError
from evalharness.records import Request


@dataclass(frozen=True)
class Shard:
    """The `number`-th of `of` shares, counted from 1. The problems are dealt out in turn, each with all its samples."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def choose(self, requests: Sequence[Request]) -> list[Request]:
        """The requests of this share, in their order. Raises UserError where there are more shares than problems."""
        places = {task_id: place for place, task_id in enumerate(dict.fromkeys(one.key[0] for one in requests))}
        if self.of > len(places):
            raise UserError(f"--shard {self}: there are {len(places)} problems, so at most {len(places)} shards")
        return [request for request in requests if places[request.key[0]] % self.of == self.number - 1]


def parse_shard(text: str) -> Shard:
    """`i/n` as a share. Raises UserError for anything but 1/n to n/n."""
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise UserError(f"--shard {text} is not i/n with i from 1 to n, such as 1/7 for the first of seven")
    return Shard(int(found[1]), int(found[2]))
