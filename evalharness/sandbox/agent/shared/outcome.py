"""How a part of a program ended, and why."""

from typing import NamedTuple

STATUSES = ("passed", "failed", "timeout", "memory", "error", "tampered", "infrastructure")


class Outcome(NamedTuple):
    """A status of `STATUSES` and its reason in one line."""

    status: str
    detail: str = ""

    def pack(self) -> bytes:
        """Returns the outcome as bytes: the index of the status, then the detail."""
        return bytes([STATUSES.index(self.status)]) + self.detail.encode(errors="replace")

    @classmethod
    def unpack(cls, data: bytes) -> "Outcome":
        """Returns the outcome of bytes that `pack` gave. Raises IndexError for others."""
        return cls(STATUSES[data[0]], data[1:].decode(errors="replace"))


PASSED = Outcome("passed")
